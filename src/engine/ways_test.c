/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What notes come to: where a block goes on, when it is made anew, what is forgotten, and a table without room. */
#include "engine/ways.h"

#include "../../tests/expect.h"

static int failures;
static struct ways ways;
static const uint8_t places[2 * WAYS_COUNT];

/* All but the last do nothing. */
static bool note(const uint8_t *place, const int16_t *to, unsigned n)
{
    bool anew = false;

    for (unsigned i = 0; i < n; i++) {
        EXPECT(!anew);
        anew = ways_note(&ways, place, 1, to[i], n);
    }
    return anew;
}

static struct block_ways known_of(const uint8_t *place, uint32_t mode)
{
    struct block_ways known = {.n = 77};

    ways_find(&ways, place, mode, &known);
    return known;
}

/* One in three of the notes is enough, and four ways are. */
static void test_chosen(void)
{
    static const int16_t third[] = {5, -7, 9, 9, 3, 4}, all[] = {8, 8, 8, 8, 8, 8};
    const uint8_t *const place = &places[0];

    EXPECT(note(place, third, 6));
    EXPECT_EQ(known_of(place, 1).n, 1);
    EXPECT_EQ(known_of(place, 1).to[0], 9);
    EXPECT(known_of(place, 1).open);
    EXPECT_EQ(known_of(place, 2).n, 77);
    for (unsigned i = 1; i < BLOCK_MOST_WAYS; i++) {
        EXPECT(known_of(place, 1).open);
        EXPECT(note(place, all, 6));
    }
    EXPECT_EQ(known_of(place, 1).n, BLOCK_MOST_WAYS);
    EXPECT(!known_of(place, 1).open);
    ways_forget(&ways, place, 2);
    EXPECT_EQ(known_of(place, 1).n, BLOCK_MOST_WAYS);
    ways_forget(&ways, place, 1);
    EXPECT_EQ(known_of(place, 1).n, 77);
}

/* No way is chosen; the block that goes on asking is made anew once. */
static void test_not_chosen(void)
{
    static const int16_t none[] = {5, -7, 9, 9, 3, 4, 2},
                         away[] = {WAYS_ELSEWHERE, WAYS_ELSEWHERE, WAYS_ELSEWHERE, 4, 4};
    const int16_t *const notes[] = {none, away};
    const unsigned n[] = {7, 5};

    for (unsigned i = 0; i < 2; i++) {
        unsigned n_anew = 0;
        EXPECT(!note(&places[i], notes[i], n[i]));
        EXPECT_EQ(known_of(&places[i], 1).n, 0);
        EXPECT(!known_of(&places[i], 1).open);
        for (unsigned k = 0; k < 255; k++) {
            n_anew += ways_note(&ways, &places[i], 1, 4, n[i]);
        }
        EXPECT_EQ(n_anew, 1);
        EXPECT_EQ(known_of(&places[i], 1).n, 0);
        ways_forget(&ways, &places[i], 1);
    }
}

/* Places without room are not noted; those that have it keep what is known. */
static void test_full(void)
{
    static const int16_t to[] = {3};
    unsigned n_noted = 0;

    for (unsigned i = 0; i < 2 * WAYS_COUNT; i++) {
        n_noted += note(&places[i], to, 1);
    }
    EXPECT(n_noted > WAYS_COUNT / 2 && n_noted <= WAYS_COUNT);
    for (unsigned i = 0; i < 2 * WAYS_COUNT; i++) {
        n_noted -= known_of(&places[i], 1).n == 1;
    }
    EXPECT_EQ(n_noted, 0);
}

int main(void)
{
    test_chosen();
    test_not_chosen();
    test_full();
    return failures != 0;
}
