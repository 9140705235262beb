/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The mix that embedded benchmarks like: linked lists, 16-bit matrices, a state machine over text, and a CRC over all
 * results. A unit is one round of the four.
 */
#include "../lib/bench.h"

#define ROUNDS 8
#define NODES  256
#define SIDE   24
#define TEXT   1024

struct node {
    struct node *next;
    int16_t value, index;
};

struct arena {
    struct node nodes[NODES];
    int16_t a[SIDE][SIDE], b[SIDE][SIDE];
    int32_t c[SIDE][SIDE];
    char text[TEXT];
};

static uint16_t crc16(uint16_t crc, uint32_t value, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++) {
        const bool odd = ((crc ^ value) & 1) != 0;
        crc >>= 1;
        value >>= 1;
        if (odd) {
            crc ^= 0xa001;
        }
    }
    return crc;
}

/* --- Lists */

static struct node *build(struct arena *arena, uint32_t round)
{
    for (size_t i = 0; i < NODES; i++) {
        arena->nodes[i] = (struct node){i + 1 < NODES ? &arena->nodes[i + 1] : NULL,
                                        (int16_t)((i * 7919 + round * 271) & 0x7ff), (int16_t)i};
    }
    return arena->nodes;
}

static NOINLINE struct node *reverse(struct node *list)
{
    struct node *done = NULL;

    while (list != NULL) {
        struct node *const next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static NOINLINE const struct node *find(const struct node *list, int16_t value)
{
    while (list != NULL && list->value != value) {
        list = list->next;
    }
    return list;
}

static NOINLINE int by_value(const struct node *a, const struct node *b)
{
    return a->value - b->value;
}

static NOINLINE int by_index(const struct node *a, const struct node *b)
{
    return a->index - b->index;
}

/* Bottom-up merge sort that takes runs off the list. */
static NOINLINE struct node *sort(struct node *list,
                                  int (*compare)(const struct node *, const struct node *))
{
    for (unsigned width = 1; width < NODES; width *= 2) {
        struct node *rest = list, **out = &list;
        while (rest != NULL) {
            struct node *left = rest, *right = rest;
            unsigned n_left = 0, n_right = width;
            while (n_left < width && right != NULL) {
                right = right->next;
                n_left++;
            }
            while (n_left > 0 || (n_right > 0 && right != NULL)) {
                struct node *taken;
                if (n_left > 0 && (n_right == 0 || right == NULL || compare(left, right) <= 0)) {
                    taken = left;
                    left = left->next;
                    n_left--;
                } else {
                    taken = right;
                    right = right->next;
                    n_right--;
                }
                *out = taken;
                out = &taken->next;
            }
            rest = right;
        }
        *out = NULL;
    }
    return list;
}

static uint16_t lists(struct arena *arena, uint32_t round, uint16_t crc)
{
    struct node *list = build(arena, round);

    for (int16_t value = 0; value < 512; value += 16) {
        const struct node *const found = find(list, value);
        crc = crc16(crc, found != NULL ? (uint32_t)found->index : 0xffff, 16);
        if ((value & 0x7f) == 0) {
            list = reverse(list);
        }
    }
    list = sort(list, by_value);
    crc = crc16(crc, (uint32_t)list->next->next->index, 16);
    list = sort(list, by_index);
    return crc16(crc, (uint32_t)list->next->value, 16);
}

/* --- Matrices */

static NOINLINE uint16_t matrices(struct arena *arena, uint32_t round, uint16_t crc)
{
    int32_t trace = 0;

    for (size_t i = 0; i < SIDE; i++) {
        for (size_t j = 0; j < SIDE; j++) {
            arena->a[i][j] = (int16_t)(i * 31 + j * 17 + round);
            arena->b[i][j] = (int16_t)((i ^ j) + round);
        }
    }
    for (size_t i = 0; i < SIDE; i++) {
        for (size_t j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (size_t k = 0; k < SIDE; k++) {
                sum += arena->a[i][k] * arena->b[k][j];
            }
            arena->c[i][j] = sum;
        }
    }
    for (size_t i = 0; i < SIDE; i++) {
        for (size_t j = 0; j < SIDE; j++) {
            const int32_t value = arena->c[i][j];
            const int32_t low = value >> 2 & 0xf, high = value >> 5 & 0x7f;
            trace += low * high > 300 ? 10 : (low & 1) != 0 ? value % 7 : 1;
        }
    }
    return crc16(crc, (uint32_t)trace, 32);
}

/* --- State machine: what kind of number each word of the text is */

enum state { START, INVALID, SIGN, INT, POINT, EXPONENT, SCIENTIFIC, STATES };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static NOINLINE enum state next_word(const char **at, uint32_t *transitions)
{
    enum state state = START;
    const char *p = *at;

    for (; *p != '\0' && *p != ','; p++) {
        const char c = *p;
        const enum state before = state;
        switch (state) {
        case START:
            state = is_digit(c) ? INT : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
            break;
        case SIGN:
            state = is_digit(c) ? INT : c == '.' ? POINT : INVALID;
            break;
        case INT:
            state = c == '.' ? POINT : c == 'e' ? EXPONENT : is_digit(c) ? INT : INVALID;
            break;
        case POINT:
            state = c == 'e' ? EXPONENT : is_digit(c) ? POINT : INVALID;
            break;
        case EXPONENT:
            state = c == '+' || c == '-' || is_digit(c) ? SCIENTIFIC : INVALID;
            break;
        case SCIENTIFIC:
            state = is_digit(c) ? SCIENTIFIC : INVALID;
            break;
        default:
            break;
        }
        transitions[state] += before != state;
    }
    *at = *p == ',' ? p + 1 : p;
    return state;
}

static uint16_t machine(struct arena *arena, uint32_t round, uint16_t crc)
{
    uint32_t finals[STATES] = {0}, transitions[STATES] = {0};

    arena->text[round * 37 % (TEXT - 1)] ^=
        1; /* one character is wrong in each round, and put right in the next */
    for (const char *at = arena->text; *at != '\0';) {
        finals[next_word(&at, transitions)]++;
    }
    arena->text[round * 37 % (TEXT - 1)] ^= 1;
    for (size_t i = 0; i < STATES; i++) {
        crc = crc16(crc, finals[i], 32);
        crc = crc16(crc, transitions[i], 32);
    }
    return crc;
}

static void prepare(void *memory)
{
    static const char *const words[] = {"5012",     "1234",     "-874",     "+122",
                                        "35.54400", ".1234500", "-110.700", "+0.64400",
                                        "5.500e+3", "-.123e-2", "-87e+832", "+0.6e-12",
                                        "T0.3e-1F", "-T.T++Tq", "1T3.4e4z", "34.0e-T^"};
    struct arena *const arena = memory;
    uint64_t seed = 99;
    size_t at = 0;

    while (at < TEXT - 12) {
        for (const char *word = words[bench_random(&seed) % ARRAY_LEN(words)]; *word != '\0';
             word++) {
            arena->text[at++] = *word;
        }
        arena->text[at++] = ',';
    }
    while (at < TEXT - 1) {
        arena->text[at++] = '7';
    }
}

static uint64_t run(void *memory)
{
    uint16_t crc = 0;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        crc = lists(memory, round, crc);
        crc = matrices(memory, round, crc);
        crc = machine(memory, round, crc);
    }
    return crc;
}

const struct bench bench = {
    .name = "mix",
    .arena_bytes = sizeof(struct arena),
    .units = ROUNDS,
    .prepare = prepare,
    .run = run,
};
