/** The C library's texts for error numbers. */
import koffi from 'koffi';

/** `No such file or directory` for 2. */
export const strerror = koffi.load(null).func('const char *strerror(int)') as (errno: number) => string;
