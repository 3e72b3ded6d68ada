/* Prints what the kernel hands to a program: arguments byte by byte, environment, and those auxiliary entries that do not
 * depend on the machine. */
#include "guest.h"

static void put_quoted(const char *text)
{
    put_char('"');
    for (; *text; text++) {
        u8 c = (u8)*text;
        if (c < 32 || c > 126 || c == '"' || c == '\\') {
            put("\\x");
            put_hex(c, 2);
        } else {
            put_char((char)c);
        }
    }
    put_char('"');
}

int main(int argc, char **argv, char **envp)
{
    put_named("argc", argc);
    for (int i = 0; i <= argc; i++) {
        put("argv[");
        put_unsigned(i);
        put("] ");
        if (argv[i]) put_quoted(argv[i]);
        else put("end");
        put("\n");
    }
    u32 *at = (u32 *)envp;
    for (; *at; at++) {
        put("env ");
        put_quoted((char *)*at);
        put("\n");
    }
    u32 phdr = 0, phnum = 0, phent = 0;
    for (at++; at[0]; at += 2) {
        u32 value = at[1];
        switch (at[0]) {
        case 3: phdr = value; break;
        case 4: phent = value; break;
        case 5: phnum = value; break;
        case 6: put_named("AT_PAGESZ", value); break;
        case 7: put_named("AT_BASE", value); break;
        case 8: put_named("AT_FLAGS", value); break;
        case 9: {
            extern char _start;
            put_named("AT_ENTRY is _start", value == (u32)&_start);
            break;
        }
        case 11: put_named("AT_UID is getuid", value == (u32)sys0(SYS_getuid32)); break;
        case 12: put_named("AT_EUID is geteuid", value == (u32)sys0(SYS_geteuid32)); break;
        case 13: put_named("AT_GID is getgid", value == (u32)sys0(SYS_getgid32)); break;
        case 14: put_named("AT_EGID is getegid", value == (u32)sys0(SYS_getegid32)); break;
        case 15: put("AT_PLATFORM "), put_quoted((char *)value), put("\n"); break;
        case 17: put_named("AT_CLKTCK", value); break;
        case 23: put_named("AT_SECURE", value); break;
        case 25: put_named("AT_RANDOM given", value != 0); break;
        }
    }
    put_named("AT_PHENT", phent);
    put_named("AT_PHNUM", phnum);
    put_named("first program header's type known", *(u32 *)phdr == 6 || *(u32 *)phdr == 1);
    u32 stack = (u32)argv;
    put_named("stack in the upper half", stack >= 0x80000000u);
    return 0;
}
