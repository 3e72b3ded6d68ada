/* Benchmark: an interpreter of a stack machine whose dispatch is a jump table. Its program counts the steps of the 3n+1 sequence
 * for all starts below 2000, N times. */
#include "guest.h"

enum { PUSH, LOAD, STORE, ADD, SUB, MUL, AND, SHR, LESS, EQUAL, JUMP, JUMP_IF, DUP, DROP, HALT };

/* Variables: 0 n, 1 start, 2 steps, 3 limit. */
static const i32 program[] = {
    PUSH, 1, STORE, 1,                                                     /*  0 start = 1 */
    LOAD, 1, STORE, 0,                                                     /*  4 n = start */
    LOAD, 0, PUSH, 1, EQUAL, JUMP_IF, 51,                                  /*  8 n == 1: next start */
    LOAD, 2, PUSH, 1, ADD, STORE, 2,                                       /* 15 steps++ */
    LOAD, 0, PUSH, 1, AND, JUMP_IF, 38,                                    /* 22 odd? */
    LOAD, 0, PUSH, 1, SHR, STORE, 0, JUMP, 8,                              /* 29 n >>= 1 */
    LOAD, 0, DUP, DUP, ADD, ADD, PUSH, 1, ADD, STORE, 0, JUMP, 8,          /* 38 n = 3n + 1 */
    LOAD, 1, PUSH, 1, ADD, DUP, STORE, 1, LOAD, 3, LESS, JUMP_IF, 4, HALT, /* 51 */
};

static __attribute__((noinline)) i32 run(const i32 *code, i32 *variables)
{
    i32 stack[16], *top = stack;
    for (;;) {
        switch (*code++) {
        case PUSH: *++top = *code++; break;
        case LOAD: *++top = variables[*code++]; break;
        case STORE: variables[*code++] = *top--; break;
        case ADD: top--, top[0] += top[1]; break;
        case SUB: top--, top[0] -= top[1]; break;
        case MUL: top--, top[0] *= top[1]; break;
        case AND: top--, top[0] &= top[1]; break;
        case SHR: top--, top[0] = (i32)((u32)top[0] >> top[1]); break;
        case LESS: top--, top[0] = top[0] < top[1]; break;
        case EQUAL: top--, top[0] = top[0] == top[1]; break;
        case JUMP: code = program + *code; break;
        case JUMP_IF: code = *top-- ? program + *code : code + 1; break;
        case DUP: top[1] = top[0], top++; break;
        case DROP: top--; break;
        case HALT: return variables[2];
        }
    }
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    u32 hash = 0;
    for (u32 round = count_argument(argc, argv, 15); round; round--) {
        i32 variables[4] = {0, 0, 0, 2000};
        hash = hash * 31 + (u32)run(program, variables);
    }
    put("steps ");
    put_hex(hash, 8);
    put("\n");
    return 0;
}
