/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NAME [TARGET_MS]: the program as a Linux process. Prints what guest_main.c prints; ticks are nanoseconds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "samples.h"

uint64_t bench_ticks(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool host_can(void)
{
#ifdef NEEDS_FMA
    return __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

int main(int argc, char **argv)
{
    static struct samples samples;
    const uint64_t target_ms = argc > 1 ? strtoull(argv[1], NULL, 10) : 200;

    if (!host_can()) {
        printf("bench %s\nskip this processor has no FMA\nexit 0\n", bench.name);
        return 0;
    }
    /* Ordinary anonymous memory: large pages or not as the system decides for every process. */
    void *const arena = mmap(NULL, bench.arena_bytes + 4096, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if (bench.prepare != NULL) {
        bench.prepare(arena);
    }
    if (!samples_take(&samples, 1000000000, target_ms, arena)) {
        fprintf(stderr, "%s: a repeated call gave another result\n", bench.name);
        return 1;
    }
    printf("bench %s\nfrequency 1000000000\nchecksum %" PRIu64 "\nunits %" PRIu64 "\n", bench.name,
           samples.checksum, bench.units);
    printf("first %" PRIu64 "\n", samples.first);
    if (samples.n != 0) {
        printf("batch %" PRIu64 "\nsamples %u\nmedian %" PRIu64 "\nleast %" PRIu64 "\n",
               samples.batch, samples.n, samples.ticks[samples.n / 2], samples.ticks[0]);
    }
    printf("exit 0\n");
    return 0;
}
