/* Executes single instructions on the processor: reads groups of cases from standard input, writes the state after each.
 *
 * Input, repeated: { u32 length; u8 code[16]; u32 count; count * struct State }. Output: count * struct State each group,
 * with `trap` set to the signal that the instruction raised. In 32-bit mode, so that the codes mean what they mean to an
 * i386 program: gcc -m32 -O1 execute.c -o execute. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct State {
  uint32_t mxcsr, eflags, eax, ecx, edx, trap, x87, pad;
  uint32_t mm[4][4]; /* mantissa, exponent */
  uint32_t xmm[4][4];
  uint32_t memory[8]; /* at MEMORY, where edi points */
};

#define MEMORY ((uint8_t *)0x20000800)

struct Fx {
  uint16_t cw, sw, tag, op;
  uint32_t ip, cs, dp, ds, mxcsr, mask;
  uint32_t st[8][4], xmm[8][4];
  uint8_t rest[224];
} __attribute__((aligned(16)));

static struct Fx fx_in, fx_out;
static uint32_t gpr_in[3], gpr_out[3], flags_in, flags_out, saved_esp;
static sigjmp_buf back;
static volatile uint32_t trap_signal;

static void on_signal(int sig, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *u = context;
  uint8_t *fp = (uint8_t *)u->uc_mcontext.fpregs;
  /* struct _fpstate_32: 112 bytes of the old image, then the fxsave image. */
  memcpy(&fx_out, fp + 112, sizeof fx_out);
  gpr_out[0] = u->uc_mcontext.gregs[REG_EAX];
  gpr_out[1] = u->uc_mcontext.gregs[REG_ECX];
  gpr_out[2] = u->uc_mcontext.gregs[REG_EDX];
  flags_out = u->uc_mcontext.gregs[REG_EFL];
  trap_signal = sig;
  siglongjmp(back, 1);
}

static uint8_t *at;
static void byte(int b) { *at++ = b; }
static void word(uint32_t w) { memcpy(at, &w, 4); at += 4; }
static void absolute(int op1, int op2, int modrm, void *p) {
  byte(op1);
  if (op2 >= 0) byte(op2);
  byte(modrm);
  word((uint32_t)p);
}

int main(void) {
  static struct State s[4096];
  uint8_t *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mmap((void *)0x20000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  static uint8_t stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, 0);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGILL, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  struct Fx clean;
  __asm__ volatile("fxsave %0" : "=m"(clean));
  uint32_t length, count;
  uint8_t code[16];
  while (fread(&length, 4, 1, stdin) == 1 && fread(code, 16, 1, stdin) == 1 && fread(&count, 4, 1, stdin) == 1) {
    at = page;
    byte(0x60);                              /* pusha */
    absolute(0x89, -1, 0x25, &saved_esp);    /* mov [saved_esp], esp */
    absolute(0x0f, 0xae, 0x0d, &fx_in);      /* fxrstor */
    absolute(0x8b, -1, 0x05, &gpr_in[0]);    /* mov eax, ... */
    absolute(0x8b, -1, 0x0d, &gpr_in[1]);
    absolute(0x8b, -1, 0x15, &gpr_in[2]);
    byte(0xbf);                              /* mov edi, MEMORY */
    word((uint32_t)MEMORY);
    absolute(0xff, -1, 0x35, &flags_in);     /* push [flags] */
    byte(0x9d);                              /* popf */
    memcpy(at, code, length);
    at += length;
    byte(0x9c);                              /* pushf */
    absolute(0x8f, -1, 0x05, &flags_out);    /* pop [flags] */
    absolute(0x89, -1, 0x05, &gpr_out[0]);
    absolute(0x89, -1, 0x0d, &gpr_out[1]);
    absolute(0x89, -1, 0x15, &gpr_out[2]);
    absolute(0x0f, 0xae, 0x05, &fx_out);     /* fxsave */
    absolute(0x8b, -1, 0x25, &saved_esp);
    byte(0x61);                              /* popa */
    byte(0xc3);
    while (count > 0) {
      uint32_t n = count > 4096 ? 4096 : count;
      if (fread(s, sizeof *s, n, stdin) != n) return 1;
      for (uint32_t i = 0; i < n; i++) {
        memcpy(&fx_in, &clean, sizeof fx_in);
        fx_in.cw = 0x37f;
        fx_in.sw = (s[i].x87 & 7) << 11; /* TOP */
        fx_in.tag = s[i].x87 >> 8;       /* abridged: 1 = valid */
        fx_in.mxcsr = s[i].mxcsr;
        int top = s[i].x87 & 7;
        for (int r = 0; r < 4; r++) {
          /* The image is in stack order; mm registers are physical. */
          memcpy(fx_in.st[(r - top) & 7], s[i].mm[r], 10);
          memcpy(fx_in.xmm[r], s[i].xmm[r], 16);
        }
        memcpy(MEMORY, s[i].memory, 32);
        gpr_in[0] = s[i].eax;
        gpr_in[1] = s[i].ecx;
        gpr_in[2] = s[i].edx;
        flags_in = (s[i].eflags & 0x8d5) | 0x202;
        trap_signal = 0;
        if (sigsetjmp(back, 0) == 0) ((void (*)(void))page)();
        __asm__ volatile("fxrstor %0" : : "m"(clean));
        s[i].mxcsr = fx_out.mxcsr;
        s[i].eflags = flags_out & 0x8d5;
        memcpy(s[i].memory, MEMORY, 32);
        s[i].eax = gpr_out[0];
        s[i].ecx = gpr_out[1];
        s[i].edx = gpr_out[2];
        s[i].trap = trap_signal;
        top = (fx_out.sw >> 11) & 7;
        s[i].x87 = (fx_out.tag & 0xff) << 8 | top;
        for (int r = 0; r < 4; r++) {
          memcpy(s[i].mm[r], fx_out.st[(r - top) & 7], 10);
          memcpy(s[i].xmm[r], fx_out.xmm[r], 16);
        }
      }
      fwrite(s, sizeof *s, n, stdout);
      count -= n;
    }
  }
  return 0;
}
