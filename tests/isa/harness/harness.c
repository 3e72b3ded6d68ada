/*
 * Executes single instructions on the processor itself. Reads memory regions and then cases from standard input, writes
 * the state after each to standard output; the formats are those of tests/isa/native.ts.
 *
 * The signal handler is the loop: every case ends in a signal (the code page is full of int3 around the instruction), the
 * handler notes the interrupted state from the signal frame, writes the next case's state into the same frame, and
 * returns to it. So all of the state is loaded and saved by the kernel. A seccomp filter keeps random bytes from making
 * system calls. Freestanding and static, so that nothing else lies in the address space.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

enum { MAGIC = 0x36384269, MAXIMUM_REGIONS = 8, MAXIMUM_CODE = 32, MAXIMUM_PATCHES = 64, FX = 512 };
enum { SIGALRM = 14 };

struct State {
  u32 registers[8]; /* encoding order */
  u32 eip, eflags;
  u16 selectors[6]; /* es cs ss ds fs gs */
  u32 signal, code, address, trap, error;
  u8 fx[FX];
};
struct Region {
  u32 address, size, protection;
  u8 *fill, *before;
};

/* The kernel's i386 signal frame (arch/x86/include/asm/sigframe.h, sighandling.h). */
struct Context {
  u32 flags, link, stack[3];
  u32 gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, trap, error, eip, cs, eflags, esp_at_signal, ss;
  u8 *fp;
  u32 oldmask, cr2;
};
struct Info {
  int signal, error, code;
  u32 address;
};

/* A system call with up to six arguments. */
int call(int number, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f);
__asm__(".globl call\ncall:\n\tpush %ebx\n\tpush %esi\n\tpush %edi\n\tpush %ebp\n"
        "\tmov 20(%esp), %eax\n\tmov 24(%esp), %ebx\n\tmov 28(%esp), %ecx\n\tmov 32(%esp), %edx\n"
        "\tmov 36(%esp), %esi\n\tmov 40(%esp), %edi\n\tmov 44(%esp), %ebp\n\tint $0x80\n"
        "\tpop %ebp\n\tpop %edi\n\tpop %esi\n\tpop %ebx\n\tret\n");
static void leave(int status) {
  for (;;) call(252, status, 0, 0, 0, 0, 0);
}
static void copy(void *to, const void *from, u32 size) {
  __asm__ volatile("cld; rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}
static void set(void *to, int value, u32 size) {
  __asm__ volatile("cld; rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
}

static u8 input[1 << 16], output[1 << 16];
static u32 input_at, input_end, output_end;

static void flush(void) {
  for (u32 at = 0; at < output_end;) {
    int n = call(4, 1, (u32)output + at, output_end - at, 0, 0, 0);
    if (n == -4) continue;
    if (n <= 0) leave(3);
    at += n;
  }
  output_end = 0;
}
static void put(const void *from, u32 size) {
  if (output_end + size > sizeof output) flush();
  copy(output + output_end, from, size);
  output_end += size;
}
/* 0 at the end of the input. */
static int get(void *to, u32 size) {
  u8 *at = to;
  while (size > 0) {
    if (input_at == input_end) {
      int n = call(3, 0, (u32)input, sizeof input, 0, 0, 0);
      if (n == -4) continue;
      if (n <= 0) return 0;
      input_at = 0;
      input_end = n;
    }
    u32 n = input_end - input_at < size ? input_end - input_at : size;
    copy(at, input + input_at, n);
    input_at += n;
    at += n;
    size -= n;
  }
  return 1;
}
static u32 get_word(void) {
  u32 word;
  if (!get(&word, 4)) leave(4);
  return word;
}

static struct Region regions[MAXIMUM_REGIONS];
static u32 region_count, alarms;
static int running;

static int protect(struct Region *region, u32 protection) {
  return call(125, region->address, region->size, protection, 0, 0, 0);
}

static void write_memory(u32 address, const u8 *bytes, u32 size) {
  for (u32 i = 0; i < region_count; i++) {
    struct Region *region = &regions[i];
    if (address - region->address >= region->size) continue;
    copy(region->before + (address - region->address), bytes, size);
    copy((void *)address, bytes, size);
    return;
  }
  leave(5);
}

/* Registers, the x87 and SSE state between a frame and a case's state. The frame's 112-byte legacy image comes first, the
 * fxsave image after it; the kernel takes the x87 control words from the former (arch/x86/kernel/fpu/signal.c). */
static void from_frame(struct State *s, struct Context *c) {
  u32 registers[8] = {c->eax, c->ecx, c->edx, c->ebx, c->esp, c->ebp, c->esi, c->edi};
  u16 selectors[6] = {c->es, c->cs, c->ss, c->ds, c->fs, c->gs};
  copy(s->registers, registers, sizeof registers);
  copy(s->selectors, selectors, sizeof selectors);
  s->eip = c->eip;
  s->eflags = c->eflags;
  s->trap = c->trap;
  s->error = c->error;
  copy(s->fx, c->fp + 112, FX);
  set(s->fx + 464, 0, 48);
}
static void to_frame(struct Context *c, const struct State *s) {
  c->eax = s->registers[0];
  c->ecx = s->registers[1];
  c->edx = s->registers[2];
  c->ebx = s->registers[3];
  c->esp = s->registers[4];
  c->ebp = s->registers[5];
  c->esi = s->registers[6];
  c->edi = s->registers[7];
  c->eip = s->eip;
  c->eflags = s->eflags;
  c->es = s->selectors[0];
  c->cs = s->selectors[1];
  c->ss = s->selectors[2];
  c->ds = s->selectors[3];
  c->fs = s->selectors[4];
  c->gs = s->selectors[5];
  u8 *fx = c->fp + 112;
  u8 kept[48];
  copy(kept, fx + 464, 48); /* the kernel's description of the extended state that follows */
  copy(fx, s->fx, FX);
  copy(fx + 464, kept, 48);
  u32 *header = (u32 *)(fx + FX);
  header[0] |= 3; /* x87 and SSE come from the frame */
  u16 control, status;
  copy(&control, s->fx, 2);
  copy(&status, s->fx + 2, 2);
  u32 tags = 0;
  for (int i = 0; i < 8; i++)
    if (!(s->fx[4] >> i & 1)) tags |= 3u << 2 * i;
  u32 *legacy = (u32 *)c->fp;
  legacy[0] = control | 0xffff0000;
  legacy[1] = status | 0xffff0000;
  legacy[2] = tags | 0xffff0000;
  legacy[3] = legacy[4] = legacy[5] = legacy[6] = 0;
  for (int i = 0; i < 8; i++) copy(c->fp + 28 + 10 * i, s->fx + 32 + 16 * i, 10);
}

static void report(struct State *s) {
  put(s, sizeof *s);
  /* Every run of bytes that differ from what was there before, ended by one of length zero. */
  for (u32 i = 0; i < region_count; i++) {
    struct Region *region = &regions[i];
    if (!(region->protection & 2)) continue;
    u8 *now = (u8 *)region->address, *before = region->before;
    for (u32 at = 0; at < region->size;) {
      if (((u32 *)now)[at >> 2] == ((u32 *)before)[at >> 2]) {
        at += 4;
        continue;
      }
      u32 end = at;
      while (end < region->size && ((u32 *)now)[end >> 2] != ((u32 *)before)[end >> 2]) end += 4;
      u32 run[2] = {region->address + at, end - at};
      put(run, 8);
      put(now + at, end - at);
      at = end;
    }
  }
  u32 end[2] = {0, 0};
  put(end, 8);
}

static void next_case(struct Context *c) {
  static struct {
    u32 address, size;
  } patches[MAXIMUM_PATCHES];
  static u32 patch_count;
  static struct State s;
  static u8 bytes[4096];
  /* Memory as it is between cases. */
  for (u32 i = 0; i < region_count; i++) {
    struct Region *region = &regions[i];
    if (region->protection & 2) copy((void *)region->address, region->fill, region->size);
  }
  for (u32 i = 0; i < patch_count; i++)
    for (u32 j = 0; j < region_count; j++) {
      struct Region *region = &regions[j];
      u32 offset = patches[i].address - region->address;
      if (offset < region->size) copy(region->before + offset, region->fill + offset, patches[i].size);
    }
  u32 count;
  if (!get(&count, 4)) {
    flush();
    leave(0);
  }
  if (count > MAXIMUM_PATCHES) leave(6);
  patch_count = count;
  if (!get(&s, sizeof s)) leave(4);
  for (u32 i = 0; i < count; i++) {
    patches[i].address = get_word();
    patches[i].size = get_word();
    if (patches[i].size > sizeof bytes || !get(bytes, patches[i].size)) leave(7);
    write_memory(patches[i].address, bytes, patches[i].size);
  }
  alarms = 0;
  to_frame(c, &s);
}

static void handler(int signal, struct Info *info, struct Context *c) {
  __asm__ volatile("cld");
  static struct State s;
  if (signal == SIGALRM && (!running || ++alarms < 3)) return;
  if (running) {
    set(&s, 0, sizeof s);
    from_frame(&s, c);
    s.signal = signal;
    s.code = info->code;
    s.address = signal == 5 || signal == SIGALRM ? 0 : info->address;
    report(&s);
  }
  running = 1;
  next_case(c);
}

__asm__(".globl restorer\nrestorer:\n\tmov $173, %eax\n\tint $0x80\n"
        /* The handler may be entered with any segment registers and flags (AC, NT). */
        ".globl entry\nentry:\n\tpush %ss\n\tpop %ds\n\tpush %ss\n\tpop %es\n\tpush $0x202\n\tpopf\n\tjmp handle\n"
        ".globl _start\n_start:\n\tjmp start\n");
extern char restorer[], entry[];
__attribute__((used)) void handle(int signal, struct Info *info, struct Context *c) { handler(signal, info, c); }

static u32 descriptor(u32 base) {
  u32 user_desc[4] = {-1u, base, 0xfffff, 0x51}; /* 32-bit, limit in pages, useable */
  if (call(243, (u32)user_desc, 0, 0, 0, 0, 0)) leave(8);
  return user_desc[0] << 3 | 3;
}

static void confine(void) {
  struct {
    u16 code;
    u8 yes, no;
    u32 value;
  } filter[] = {
      {0x20, 0, 0, 0},          /* load the system call's number */
      {0x15, 6, 0, 3},          /* read */
      {0x15, 5, 0, 4},          /* write */
      {0x15, 4, 0, 173},        /* rt_sigreturn */
      {0x15, 3, 0, 252},        /* exit_group */
      {0x15, 2, 0, 0},          /* restart_syscall */
      {0x06, 0, 0, 0x00030000}, /* else SIGSYS */
      {0x06, 0, 0, 0x00030000}, {0x06, 0, 0, 0x7fff0000},
  };
  struct {
    u16 length;
    void *filter;
  } program = {sizeof filter / sizeof *filter, filter};
  if (call(172, 38, 1, 0, 0, 0, 0) || call(172, 22, 2, (u32)&program, 0, 0, 0)) leave(9);
}

__attribute__((used)) void start(void) {
  static u8 stack[65536] __attribute__((aligned(64)));
  u32 alternate[3] = {(u32)stack, 0, sizeof stack};
  if (get_word() != MAGIC) leave(10);
  region_count = get_word();
  u32 gs = get_word(), fs = get_word();
  if (region_count > MAXIMUM_REGIONS || descriptor(gs) != 0x63 || descriptor(fs) != 0x6b) leave(11);
  for (u32 i = 0; i < region_count; i++) {
    struct Region *region = &regions[i];
    region->address = get_word();
    region->size = get_word();
    region->protection = get_word();
    /* MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS */
    if (call(192, region->address, region->size, 3, 0x32, -1, 0) != (int)region->address) leave(12);
    u32 heap = call(192, 0, 2 * region->size, 3, 0x22, -1, 0);
    region->fill = (u8 *)heap;
    region->before = region->fill + region->size;
    if (!get(region->fill, region->size)) leave(4);
    copy(region->before, region->fill, region->size);
    copy((void *)region->address, region->fill, region->size);
    if (protect(region, region->protection)) leave(13);
  }
  call(186, (u32)alternate, 0, 0, 0, 0, 0);
  /* SA_SIGINFO | SA_ONSTACK | SA_RESTORER, all signals blocked meanwhile */
  u32 action[5] = {(u32)entry, 0x0c000004, (u32)restorer, -1u, -1u};
  static const u8 signals[] = {4, 5, 7, 8, 11, 14, 31};
  for (u32 i = 0; i < sizeof signals; i++)
    if (call(174, signals[i], (u32)action, 0, 8, 0, 0)) leave(14);
  u32 interval[4] = {0, 50000, 0, 50000};
  call(104, 0, (u32)interval, 0, 0, 0, 0);
  confine();
  __asm__ volatile("int3");
  leave(15);
}
