/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/ways.h"

#include <assert.h>
#include <stddef.h>

#define PROBES 8u

/* So many notes after it was decided that the block ends there, it is made anew to ask no more. */
#define LONG_NOTED 200u

/* NULL: nothing is known of the place, and with `take` there is no room either. */
static struct way *way_of(struct ways *ways, const uint8_t *hva, uint32_t mode, bool take)
{
    const uint64_t hash = ((uintptr_t)hva ^ (uint64_t)mode << 43) * 0x9e3779b97f4a7c15ull >> 40;
    const uint64_t none = WAYS_COUNT;
    uint64_t room = none;

    for (unsigned i = 0; i < PROBES; i++) {
        const uint64_t at = (hash + i) % WAYS_COUNT;
        if (ways->hva[at] == hva && ways->list[at].mode == mode) {
            return &ways->list[at];
        }
        room = room == none && ways->hva[at] == NULL ? at : room;
    }
    if (!take || room == none) {
        return NULL;
    }
    ways->hva[room] = hva;
    ways->list[room] = (struct way){.mode = mode, .known.open = true};
    return &ways->list[room];
}

void ways_find(struct ways *ways, const uint8_t *hva, uint32_t mode, struct block_ways *known)
{
    const struct way *const way = way_of(ways, hva, mode, false);

    if (way != NULL) {
        *known = way->known;
    }
}

/* One in three is enough: a block that goes on in vain has lost a comparison. False: the block ends there. */
static bool choose(struct way *way)
{
    unsigned most = 0;
    int16_t to = WAYS_ELSEWHERE;

    for (unsigned i = 0; i < way->n_noted; i++) {
        unsigned same = 0;
        for (unsigned k = i; k < way->n_noted; k++) {
            same += way->noted[k] == way->noted[i];
        }
        if (same > most) {
            most = same;
            to = way->noted[i];
        }
    }
    if (to == WAYS_ELSEWHERE || 3 * most < way->n_noted) {
        return false;
    }
    way->known.to[way->known.n++] = to;
    return true;
}

bool ways_note(struct ways *ways, const uint8_t *hva, uint32_t mode, int16_t to, unsigned n)
{
    struct way *const way = way_of(ways, hva, mode, true);

    assert(n <= WAYS_NOTES);
    if (way == NULL) {
        return false;
    }
    if (!way->known.open) {
        return ++way->n_noted == LONG_NOTED;
    }
    way->noted[way->n_noted++] = to;
    if (way->n_noted < n) {
        return false;
    }
    const bool chosen = choose(way);
    way->n_noted = 0;
    way->known.open = chosen && way->known.n < BLOCK_MOST_WAYS;
    return chosen;
}

void ways_forget(struct ways *ways, const uint8_t *hva, uint32_t mode)
{
    struct way *const way = way_of(ways, hva, mode, false);

    if (way != NULL) {
        ways->hva[way - ways->list] = NULL;
    }
}
