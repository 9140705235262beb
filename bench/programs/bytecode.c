/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A stack machine with threaded dispatch that runs two small programs. A unit is one of its instructions. */
#include "../lib/bench.h"

#define NUMBERS  64  /* collatz lengths are added up for 1..NUMBERS */
#define LIMIT    512 /* of the sieve */
#define EXECUTED 49296

enum op {
    PUSH,
    LOAD,
    STORE,
    ADD,
    SUB,
    MUL,
    HALVE,
    LESS,
    AND,
    JUMP,
    JUMP_IF_ZERO,
    FETCH,
    PUT,
    HALT
};

struct instruction {
    uint32_t op, argument;
};

struct machine {
    struct instruction code[2][64];
    uint32_t length;
    uint64_t executed;
    uint64_t variables[8];
    uint64_t stack[32];
    uint8_t memory[LIMIT];
};

/* --- The programs, put together by a small assembler ------------------------------------------------------------------------ */

static struct instruction *assembled;
static uint32_t here;

static uint32_t emit(enum op op, uint32_t argument)
{
    assembled[here] = (struct instruction){op, argument};
    return here++;
}

static void to_here(uint32_t jump)
{
    assembled[jump].argument = here;
}

static uint32_t while_less(enum op op, uint32_t argument, enum op op2, uint32_t argument2)
{
    emit(op, argument);
    emit(op2, argument2);
    emit(LESS, 0);
    return emit(JUMP_IF_ZERO, 0);
}

static void increase(uint32_t variable, enum op op, uint32_t argument)
{
    emit(LOAD, variable);
    emit(op, argument);
    emit(ADD, 0);
    emit(STORE, variable);
}

/* Variables: 0 n, 1 x, 2 the sum of all lengths. */
static void assemble_collatz(void)
{
    emit(PUSH, 0);
    emit(STORE, 2);
    emit(PUSH, 1);
    emit(STORE, 0);
    const uint32_t outer = here, outer_end = while_less(LOAD, 0, PUSH, NUMBERS + 1);
    emit(LOAD, 0);
    emit(STORE, 1);
    const uint32_t inner = here, inner_end = while_less(PUSH, 1, LOAD, 1);
    increase(2, PUSH, 1);
    emit(LOAD, 1);
    emit(PUSH, 1);
    emit(AND, 0);
    const uint32_t even = emit(JUMP_IF_ZERO, 0);
    emit(LOAD, 1);
    emit(PUSH, 3);
    emit(MUL, 0);
    emit(PUSH, 1);
    emit(ADD, 0);
    emit(STORE, 1);
    emit(JUMP, inner);
    to_here(even);
    emit(LOAD, 1);
    emit(HALVE, 0);
    emit(STORE, 1);
    emit(JUMP, inner);
    to_here(inner_end);
    increase(0, PUSH, 1);
    emit(JUMP, outer);
    to_here(outer_end);
    emit(HALT, 0);
}

/* Variables: 0 i, 1 j, 2 the number of primes. */
static void assemble_sieve(void)
{
    emit(PUSH, 0);
    emit(STORE, 2);
    emit(PUSH, 2);
    emit(STORE, 0);
    const uint32_t outer = here, outer_end = while_less(LOAD, 0, PUSH, LIMIT);
    emit(LOAD, 0);
    emit(FETCH, 0);
    const uint32_t prime = emit(JUMP_IF_ZERO, 0);
    const uint32_t next = here;
    increase(0, PUSH, 1);
    emit(JUMP, outer);
    to_here(prime);
    increase(2, PUSH, 1);
    emit(LOAD, 0);
    emit(STORE, 1);
    const uint32_t inner = here, inner_end = while_less(LOAD, 1, PUSH, LIMIT);
    emit(PUSH, 1);
    emit(LOAD, 1);
    emit(PUT, 0);
    increase(1, LOAD, 0);
    emit(JUMP, inner);
    to_here(inner_end);
    emit(JUMP, next);
    to_here(outer_end);
    emit(HALT, 0);
}

static void prepare(void *memory)
{
    struct machine *const m = memory;

    assembled = m->code[0];
    here = 0;
    assemble_collatz();
    assembled = m->code[1];
    here = 0;
    assemble_sieve();
}

/* --- The machine ------------------------------------------------------------------------------------------------------------- */

#define NEXT                  \
    do {                      \
        at = pc++;            \
        executed++;           \
        goto *labels[at->op]; \
    } while (0)

static NOINLINE void interpret(struct machine *m, const struct instruction *code)
{
    static const void *const labels[] = {&&push,         &&load,  &&store, &&add, &&sub,
                                         &&mul,          &&halve, &&less,  &&and, &&jump,
                                         &&jump_if_zero, &&fetch, &&put,   &&halt};
    const struct instruction *pc = code, *at;
    uint64_t *sp = m->stack; /* the top is sp[-1] */
    uint64_t executed = 0;

    NEXT;
push:
    *sp++ = at->argument;
    NEXT;
load:
    *sp++ = m->variables[at->argument];
    NEXT;
store:
    m->variables[at->argument] = *--sp;
    NEXT;
add:
    sp--;
    sp[-1] += sp[0];
    NEXT;
sub:
    sp--;
    sp[-1] -= sp[0];
    NEXT;
mul:
    sp--;
    sp[-1] *= sp[0];
    NEXT;
halve:
    sp[-1] /= 2;
    NEXT;
less:
    sp--;
    sp[-1] = sp[-1] < sp[0];
    NEXT;
    and : sp--;
    sp[-1] &= sp[0];
    NEXT;
jump:
    pc = code + at->argument;
    NEXT;
jump_if_zero:
    if (*--sp == 0) {
        pc = code + at->argument;
    }
    NEXT;
fetch:
    sp[-1] = m->memory[sp[-1] % LIMIT];
    NEXT;
put:
    sp -= 2;
    m->memory[sp[1] % LIMIT] = (uint8_t)sp[0];
    NEXT;
halt:
    m->executed += executed;
}

static uint64_t run(void *memory)
{
    struct machine *const m = memory;

    m->executed = 0;
    for (size_t i = 0; i < LIMIT; i++) {
        m->memory[i] = 0;
    }
    interpret(m, m->code[0]);
    const uint64_t sum = m->variables[2];
    interpret(m, m->code[1]);
    return m->executed == EXECUTED ? bench_mix(sum, m->variables[2]) : m->executed;
}

const struct bench bench = {
    .name = "bytecode",
    .arena_bytes = sizeof(struct machine),
    .units = EXECUTED,
    .prepare = prepare,
    .run = run,
};
