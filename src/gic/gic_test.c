/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "gic/gic_test.h"

unsigned failures;
struct gic *gic;
struct seat seats[GIC_MAX_CPUS];

static void note_lines(void *owner, uint32_t lines)
{
    struct seat *const seat = owner;

    seat->lines = lines;
    seat->changes++;
}

void start(unsigned n)
{
    const struct gic_config config = {.gicd_base = GICD_AT,
                                      .gicr_base = GICR_AT,
                                      .gicm_base = GICM_AT,
                                      .msi_base = MSI_FIRST,
                                      .msi_count = MSI_COUNT};

    gic = gic_create(&config, note_lines);
    memset(seats, 0, sizeof(seats));
    set_gicd(0, 3);
    for (unsigned word = 1; word < GIC_WORDS; word++) {
        set_gicd(0x80 + 4 * word, 0xffffffff);
    }
    for (unsigned i = 0; i < n; i++) {
        seats[i].cpu = gic_attach(gic, i, &seats[i]);
        gic_set_affinity(seats[i].cpu, i);
        set_gicr(i, 0x14, 0);
        set_gicr(i, 0x10080, 0xffffffff);
        set_icc(i, PMR, 0xff);
        set_icc(i, IGRPEN0, 1);
        set_icc(i, IGRPEN1, 1);
    }
}

void stop(void)
{
    for (unsigned i = 0; i < GIC_MAX_CPUS; i++) {
        gic_detach(seats[i].cpu);
    }
    gic_destroy(gic);
    gic = NULL;
}

int main(void)
{
    test_delivery();
    test_frames();
    test_state();
    test_random();
    printf("%u failures\n", failures);
    return failures != 0;
}
