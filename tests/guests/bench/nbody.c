/* Benchmark: five bodies under gravity, N thousand steps. Built once for x87 and once for SSE2. */
#include "guest.h"

struct body {
    double x, y, z, vx, vy, vz, mass;
};

/* Made-up masses and orbits: one heavy body, four light ones. */
static struct body bodies[5] = {
    {0, 0, 0, 0, 0, 0, 40},
    {5, 0.5, -0.1, 0.3, 2.7, 0.02, 0.04},
    {-8, 4, 0.3, -1.1, -1.6, 0.05, 0.01},
    {12, -9, -0.2, 1.0, 1.2, -0.01, 0.002},
    {-15, -20, 0.6, 0.9, -0.8, -0.03, 0.002},
};

static double root(double x)
{
    return __builtin_sqrt(x);
}

static __attribute__((noinline)) void advance(double step)
{
    for (u32 i = 0; i < 5; i++) {
        struct body *a = bodies + i;
        for (u32 k = i + 1; k < 5; k++) {
            struct body *b = bodies + k;
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz;
            double magnitude = step / (square * root(square));
            a->vx -= dx * b->mass * magnitude;
            a->vy -= dy * b->mass * magnitude;
            a->vz -= dz * b->mass * magnitude;
            b->vx += dx * a->mass * magnitude;
            b->vy += dy * a->mass * magnitude;
            b->vz += dz * a->mass * magnitude;
        }
    }
    for (u32 i = 0; i < 5; i++) {
        bodies[i].x += step * bodies[i].vx;
        bodies[i].y += step * bodies[i].vy;
        bodies[i].z += step * bodies[i].vz;
    }
}

static double energy(void)
{
    double sum = 0;
    for (u32 i = 0; i < 5; i++) {
        struct body *a = bodies + i;
        sum += 0.5 * a->mass * (a->vx * a->vx + a->vy * a->vy + a->vz * a->vz);
        for (u32 k = i + 1; k < 5; k++) {
            double dx = a->x - bodies[k].x, dy = a->y - bodies[k].y, dz = a->z - bodies[k].z;
            sum -= a->mass * bodies[k].mass / root(dx * dx + dy * dy + dz * dz);
        }
    }
    return sum;
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    put_double_bits(energy());
    put("\n");
    for (u32 round = count_argument(argc, argv, 300); round; round--) {
        for (u32 i = 0; i < 1000; i++) advance(0.001);
    }
    put_double_bits(energy());
    put("\n");
    put_double_bits(bodies[1].x);
    put("\n");
    return 0;
}
