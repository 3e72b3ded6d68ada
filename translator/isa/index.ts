/** All instruction declarations: importing this file fills `declarations`. */
import './integer/arithmetic.js';
import './integer/bits.js';
import './integer/moves.js';
import './integer/control.js';
import './integer/strings.js';
import './x87.js';
import './vector/index.js';
import './nativelib.js';

export { declarations, type Declaration, type Feature } from './declare.js';
