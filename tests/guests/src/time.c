/* Clocks: that they run, agree, and that sleeping takes as long as it should. */
#include "guest.h"

int main(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    i32 a[2], b[2], day[2];
    put_named("clock_gettime", sys2(SYS_clock_gettime, 0, a));
    put_named("gettimeofday", sys2(SYS_gettimeofday, day, 0));
    put_named("same second", day[0] - a[0] <= 1);
    put_named("time", sys1(SYS_time, 0) - a[0] <= 1);
    put_named("after 2020", a[0] > 1577836800);
    i32 pause[2] = {0, 20000000};
    sys2(SYS_clock_gettime, 1, a);
    put_named("nanosleep", sys2(SYS_nanosleep, pause, 0));
    sys2(SYS_clock_gettime, 1, b);
    i32 micro = (b[0] - a[0]) * 1000000 + (b[1] - a[1]) / 1000;
    put_named("slept long enough", micro >= 20000);
    put_named("bad clock", sys2(SYS_clock_gettime, 99, a));
    put_named("bad pointer", sys2(SYS_clock_gettime, 0, 4));
    u32 low1, low2, high;
    __asm__ volatile("rdtsc" : "=a"(low1), "=d"(high));
    __asm__ volatile("rdtsc" : "=a"(low2), "=d"(high));
    put_named("time stamp counter runs", low2 - low1 < 1000000000u);
    return 0;
}
