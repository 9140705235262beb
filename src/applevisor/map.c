/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The table of what is mapped where: ranges of guest addresses, sorted, without overlaps. The framework has such a table too, but
 * no way to ask it.
 */
#include <stdlib.h>
#include <string.h>

#include "applevisor/internal.h"

size_t av_map_find(const av_vm *vm, hv_ipa_t ipa)
{
    size_t low = 0, high = vm->n_mappings;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct mapping *const m = &vm->mappings[middle];
        if (m->ipa + (m->size - 1) < ipa) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool av_map_reserve(av_vm *vm, size_t more)
{
    if (vm->mappings_capacity - vm->n_mappings >= more) {
        return true;
    }
    const size_t capacity = vm->mappings_capacity * 2 + more;
    struct mapping *const grown = realloc(vm->mappings, capacity * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    vm->mappings = grown;
    vm->mappings_capacity = capacity;
    return true;
}

static void insert(av_vm *vm, size_t at, const struct mapping *mapping)
{
    memmove(&vm->mappings[at + 1], &vm->mappings[at], (vm->n_mappings - at) * sizeof(*mapping));
    vm->mappings[at] = *mapping;
    vm->n_mappings++;
}

static void erase(av_vm *vm, size_t at)
{
    vm->n_mappings--;
    memmove(&vm->mappings[at], &vm->mappings[at + 1],
            (vm->n_mappings - at) * sizeof(vm->mappings[0]));
}

void av_map_add(av_vm *vm, const struct mapping *mapping)
{
    insert(vm, av_map_find(vm, mapping->ipa), mapping);
}

void av_map_cut(av_vm *vm, hv_ipa_t ipa, uint64_t size)
{
    const hv_ipa_t last = ipa + (size - 1);
    size_t i = av_map_find(vm, ipa);

    while (i < vm->n_mappings && vm->mappings[i].ipa <= last) {
        struct mapping *const m = &vm->mappings[i];
        const struct mapping old = *m;
        const hv_ipa_t old_last = old.ipa + (old.size - 1);
        const bool keeps_front = old.ipa<ipa, keeps_back = old_last> last;
        const struct mapping back = {
            .ipa = last + 1,
            .size = old_last - last,
            .memory = old.memory,
            .offset = old.offset + (size_t)(last + 1 - old.ipa),
        };

        if (keeps_front) {
            m->size = ipa - old.ipa;
            if (keeps_back) {
                insert(vm, i + 1, &back);
            }
            i++;
        } else if (keeps_back) {
            *m = back;
        } else {
            erase(vm, i);
            continue;
        }
        if (keeps_back) {
            return;
        }
    }
}

bool av_map_covers(const av_vm *vm, const av_memory *memory, hv_ipa_t ipa, uint64_t size)
{
    const hv_ipa_t last = ipa + (size - 1);

    for (size_t i = av_map_find(vm, ipa); i < vm->n_mappings; i++) {
        const struct mapping *const m = &vm->mappings[i];
        if (m->ipa > ipa || (memory != NULL && m->memory != memory)) {
            return false;
        }
        const hv_ipa_t m_last = m->ipa + (m->size - 1);
        if (m_last >= last) {
            return true;
        }
        ipa = m_last + 1;
    }
    return false;
}
