/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/ir/print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
    char result, effect;
};

static const struct row rows[IR_OP_COUNT] = {
#define OP(name, result, effect) [IR_##name] = {#result[0], #effect[0]},
#include "engine/ir/ir_ops.inc"
#undef OP
};

struct text {
    char *p;
    size_t left;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int n = vsnprintf(t->p, t->left, format, arguments);
    va_end(arguments);
    const size_t written = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1;
    t->p += written;
    t->left -= written;
}

static bool has_imm64(unsigned op)
{
    return op == IR_CONST || op == IR_JUMP || op == IR_BRANCH_IF;
}

/* In bits, of an operation whose type says something; 0: it does not. */
static unsigned bits_of(const struct ir_node *n)
{
    if (rows[n->op].effect == 'M' || (n->op >= IR_VFROM64 && n->op <= IR_VDUP)) {
        return 8u << n->type;
    }
    return n->op >= IR_ADD && n->op <= IR_NEZ ? 32u << n->type : 0;
}

static const char *function_of(const struct ir_node *n)
{
    switch (n->op) {
    case IR_VOP:
        return ir_vops[n->d].name;
    case IR_IOP:
        return ir_iops[n->d].name;
    case IR_HELPER:
        return ir_helpers[n->d].name;
    default:
        return NULL;
    }
}

void ir_print_node(char *text, size_t size, const struct ir_node *nodes, unsigned i)
{
    const struct ir_node *const n = &nodes[i];
    struct text t = {.p = text, .left = size};
    const unsigned bits = bits_of(n);

    if (rows[n->op].result == 'V') {
        add(&t, "%%%u = ", i);
    }
    add(&t, "%s", ir_op_names[n->op]);
    if (bits != 0) {
        add(&t, ".%u", bits);
    }
    const char *const function = function_of(n);
    if (function != NULL) {
        add(&t, " %s", function);
    }
    const ir_ref operands[] = {n->a, n->b, has_imm64(n->op) ? IR_REF_NONE : n->c};
    for (unsigned k = 0; k < 3; k++) {
        if (operands[k] != IR_REF_NONE) {
            add(&t, " %%%u", operands[k]);
        }
    }
    if (has_imm64(n->op)) {
        add(&t, " 0x%" PRIx64, n->imm64);
        return;
    }
    if (n->op >= IR_GET_X && n->op <= IR_PUT_X) {
        add(&t, n->imm == 31 ? " sp" : " x%u", n->imm);
    } else if (n->op == IR_GET_V || n->op == IR_PUT_V) {
        add(&t, " v%u", n->imm);
    } else if (n->imm != 0) {
        add(&t, " imm=0x%x", n->imm);
    }
    if (function == NULL && n->d != 0) {
        add(&t, " d=%u", n->d);
    }
    if (n->flags != 0) {
        add(&t, " flags=0x%x", n->flags);
    }
}
