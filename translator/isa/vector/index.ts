/** The vector instruction sets: importing this file declares them all. */
import './packed-integer.js';
import './mmx.js';
import './sse.js';
import './sse2.js';
import './sse3.js';
import './sse41.js';
import './sse42.js';
import './crypto.js';
