/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Quicksort and heapsort of words, merge sort of records: compares, swaps, unpredictable branches. A unit is one element. */
#include "../lib/bench.h"

#define N 8192

struct record {
    uint32_t key, index;
};

struct arena {
    uint32_t input[N], words[N];
    struct record records[2][N];
};

static void insertion(uint32_t *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const uint32_t value = a[i];
        size_t at = i;
        for (; at > 0 && a[at - 1] > value; at--) {
            a[at] = a[at - 1];
        }
        a[at] = value;
    }
}

static void swap(uint32_t *a, uint32_t *b)
{
    const uint32_t t = *a;

    *a = *b;
    *b = t;
}

static NOINLINE void quick(uint32_t *a, size_t n)
{
    while (n > 12) {
        if (a[n / 2] < a[0]) {
            swap(&a[n / 2], &a[0]);
        }
        if (a[n - 1] < a[0]) {
            swap(&a[n - 1], &a[0]);
        }
        if (a[n - 1] < a[n / 2]) {
            swap(&a[n - 1], &a[n / 2]);
        }
        const uint32_t pivot = a[n / 2];
        size_t low = 0, high = n - 1;
        for (;;) {
            while (a[low] < pivot) {
                low++;
            }
            while (a[high] > pivot) {
                high--;
            }
            if (low >= high) {
                break;
            }
            swap(&a[low++], &a[high--]);
        }
        /* The smaller side by recursion: the stack stays small. */
        if (low < n - low) {
            quick(a, low);
            a += low;
            n -= low;
        } else {
            quick(a + low, n - low);
            n = low;
        }
    }
    insertion(a, n);
}

static void sift(uint32_t *a, size_t at, size_t n)
{
    const uint32_t value = a[at];

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && a[child + 1] > a[child]) {
            child++;
        }
        if (a[child] <= value) {
            break;
        }
        a[at] = a[child];
        at = child;
    }
    a[at] = value;
}

static NOINLINE void heap(uint32_t *a, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift(a, i, n);
    }
    for (size_t i = n; i-- > 1;) {
        swap(&a[0], &a[i]);
        sift(a, 0, i);
    }
}

static NOINLINE const struct record *merge(struct record *a, struct record *b, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t start = 0; start < n; start += 2 * width) {
            size_t left = start, right = start + width;
            const size_t left_end = right, right_end = right + width;
            for (size_t out = start; out < right_end; out++) {
                const bool take_left = right == right_end ||
                                       (left < left_end && a[left].key <= a[right].key);
                b[out] = take_left ? a[left++] : a[right++];
            }
        }
        struct record *const t = a;
        a = b;
        b = t;
    }
    return a;
}

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 12345;

    for (size_t i = 0; i < N; i++) {
        arena->input[i] = (uint32_t)(bench_random(&seed) >> 32);
    }
}

static uint64_t run(void *memory)
{
    struct arena *const arena = memory;
    uint64_t sum = 0;

    for (size_t i = 0; i < N; i++) {
        arena->words[i] = arena->input[i];
    }
    quick(arena->words, N);
    for (size_t i = 0; i < N; i += 61) {
        sum = bench_mix(sum, arena->words[i]);
    }
    for (size_t i = 0; i < N; i++) {
        arena->words[i] = arena->input[i];
        arena->records[0][i] = (struct record){arena->input[i] & 0xffff, (uint32_t)i};
    }
    heap(arena->words, N);
    const struct record *const sorted = merge(arena->records[0], arena->records[1], N);
    for (size_t i = 0; i < N; i += 61) {
        sum = bench_mix(sum, arena->words[i] ^ (uint64_t)sorted[i].index << 32);
    }
    return sum;
}

const struct bench bench = {
    .name = "sort",
    .arena_bytes = sizeof(struct arena),
    .units = 3 * N,
    .prepare = prepare,
    .run = run,
};
