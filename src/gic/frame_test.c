/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "gic/gic_test.h"

/* Registers of 32 bits take no other size; priorities bytes; routers and TYPER their halves. */
static void access_sizes(void)
{
    start(1);
    set_gicd(0x104, 0x01020304);
    EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x104, 1), 0);
    EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x104, 2), 0);
    EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x100, 8), 0);
    gic_mmio_write(gic, GICD_AT + 0x104, 1, 0xff);
    gic_mmio_write(gic, GICD_AT + 0x104, 8, UINT64_MAX);
    EXPECT_EQ(gicd(0x104), 0x01020304);

    set_gicd(0x420, 0x88776655);
    EXPECT_EQ(gicd(0x420), 0x88706050);
    for (unsigned i = 0; i < 4; i++) {
        EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x420 + i, 1), 0x88706050u >> 8 * i & 0xff);
    }
    EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x420, 2), 0);
    gic_mmio_write(gic, GICD_AT + 0x421, 1, 0x1f8);
    EXPECT_EQ(gicd(0x420), 0x8870f850);

    set_router(33, 0x1180010203ull);
    EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x6108, 8), 0x1180010203ull);
    EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x610c, 4), 0x11);
    gic_mmio_write(gic, GICD_AT + 0x610c, 4, 0xffffffff);
    EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x6108, 8), 0xff80010203ull);
    gic_mmio_write(gic, GICD_AT + 0x6108, 4, 0xffffffff);
    EXPECT_EQ(gic_mmio_read(gic, GICD_AT + 0x6108, 8), 0xff80ffffffull);
    EXPECT_EQ(gic_mmio_read(gic, GICR_AT + 8, 8), 0x10);
    EXPECT_EQ(gic_mmio_read(gic, GICR_AT + 12, 4), 0);
    stop();
}

static bool is_row(const struct gic_frame *frame, uint32_t offset)
{
    for (unsigned i = 0; i < frame->n_regs; i++) {
        if (offset >= frame->regs[i].start && offset < frame->regs[i].end) {
            return true;
        }
    }
    return false;
}

static void rows_do_not_overlap(const struct gic_frame *frame, uint32_t size)
{
    for (unsigned i = 0; i < frame->n_regs; i++) {
        const struct gic_reg *const a = &frame->regs[i];
        EXPECT(a->start < a->end && a->end <= size);
        EXPECT((a->end - a->start) % a->unit == 0 && a->start % a->unit == 0);
        for (unsigned j = 0; j < i; j++) {
            EXPECT(frame->regs[j].end <= a->start || a->end <= frame->regs[j].start);
        }
    }
}

/* Nothing but the rows changes anything, with any size, aligned or not. */
static void everything_else_reads_as_zero(void)
{
    start(1);
    const size_t size = gic_state_size();
    static uint8_t before[1 << 17], after[1 << 17];
    EXPECT(size <= sizeof(before));
    gic_state_save(gic, before);
    for (uint32_t offset = 0; offset < GICR_SIZE; offset++) {
        for (unsigned width = 1; width <= 8; width *= 2) {
            if (offset < GICD_SIZE && !is_row(&gicd_frame, offset)) {
                gic_mmio_write(gic, GICD_AT + offset, width, UINT64_MAX);
                EXPECT_EQ(gic_mmio_read(gic, GICD_AT + offset, width), 0);
            }
            if (!is_row(&gicr_frame, offset)) {
                gic_mmio_write(gic, GICR_AT + offset, width, UINT64_MAX);
                EXPECT_EQ(gic_mmio_read(gic, GICR_AT + offset, width), 0);
            }
            if (offset < GICM_SIZE && !is_row(&gicm_frame, offset)) {
                gic_mmio_write(gic, GICM_AT + offset, width, UINT64_MAX);
                EXPECT_EQ(gic_mmio_read(gic, GICM_AT + offset, width), 0);
            }
        }
    }
    gic_state_save(gic, after);
    EXPECT(memcmp(before, after, size) == 0);
    stop();
}

static void addresses_at_the_edges(void)
{
    start(1);
    EXPECT(gic_claims(gic, GICD_AT) && gic_claims(gic, GICD_AT + GICD_SIZE - 1));
    EXPECT(!gic_claims(gic, GICD_AT - 1) && !gic_claims(gic, GICD_AT + GICD_SIZE));
    EXPECT(gic_claims(gic, GICM_AT) && !gic_claims(gic, GICM_AT + GICM_SIZE));
    EXPECT(!gic_claims(gic, 0) && !gic_claims(gic, UINT64_MAX));
    EXPECT_EQ(gic_mmio_read(gic, UINT64_MAX, 8), 0);
    gic_mmio_write(gic, 0, 8, 1);
    stop();
}

void test_frames(void)
{
    rows_do_not_overlap(&gicd_frame, GICD_SIZE);
    rows_do_not_overlap(&gicr_frame, GICR_SIZE);
    rows_do_not_overlap(&gicm_frame, GICM_SIZE);
    access_sizes();
    everything_else_reads_as_zero();
    addresses_at_the_edges();
}
