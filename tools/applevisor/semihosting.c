/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The calls of Arm's semihosting (version 2.0) that a test program needs: console output and the end. */
#include <stdio.h>
#include <string.h>

#include "run.h"

void console(const void *bytes, size_t size)
{
    fwrite(bytes, 1, size, stdout);
    fflush(stdout);
}

bool ram_read(void *context, uint64_t ipa, void *buffer, size_t size)
{
    const struct run *const run = context;
    const struct image *const image = &run->image;

    if (ipa < image->ram_base || size > image->ram_size ||
        ipa - image->ram_base > image->ram_size - size) {
        return false;
    }
    memcpy(buffer, image->ram + (ipa - image->ram_base), size);
    return true;
}

bool guest_read(struct cpu *cpu, uint64_t va, void *buffer, size_t size)
{
    const av_guest_memory memory = {.read = ram_read, .context = cpu->run};

    return av_read_virtual(cpu->vcpu, &memory, va, buffer, size) == AV_OK;
}

/* Prints up to n bytes, or up to the first \0; returns how many. More than there is memory is a guest that has gone astray. */
static uint64_t print(struct cpu *cpu, uint64_t va, uint64_t n, bool is_string)
{
    uint64_t done = 0;
    char c[64];

    while (done < n && done < cpu->run->image.ram_size) {
        const uint64_t room = sizeof(c) -
                              (va + done) % sizeof(c); /* such a piece lies in one page */
        const size_t piece = (size_t)(n - done < room ? n - done : room);
        if (!guest_read(cpu, va + done, c, piece)) {
            break;
        }
        const char *const end = is_string ? memchr(c, '\0', piece) : NULL;
        const size_t length = end != NULL ? (size_t)(end - c) : piece;
        fwrite(c, 1, length, stdout);
        done += length;
        if (end != NULL) {
            break;
        }
    }
    fflush(stdout);
    return done;
}

void semihosting(struct cpu *cpu)
{
    struct run *const run = cpu->run;
    uint64_t operation = 0, argument = 0, words[3], result = UINT64_MAX;
    char c;

    av_exit_get_x(cpu->vcpu, 0, &operation);
    av_exit_get_x(cpu->vcpu, 1, &argument);
    switch (operation & 0xffffffff) {
    case 0x03: /* SYS_WRITEC */
        if (guest_read(cpu, argument, &c, 1)) {
            console(&c, 1);
            result = 0;
        }
        break;
    case 0x04: /* SYS_WRITE0 */
        print(cpu, argument, UINT64_MAX, true);
        result = 0;
        break;
    case 0x05: /* SYS_WRITE: handle, address, length; the result is the number of bytes not written */
        if (guest_read(cpu, argument, words, sizeof(words))) {
            result = words[2] - (words[0] <= 2 ? print(cpu, words[1], words[2], false) : 0);
        }
        break;
    case 0x01: /* SYS_OPEN: the console is handle 1, whatever the name */
        result = 1;
        break;
    case 0x18: /* SYS_EXIT: reason 0x20026 is an orderly end; A64 passes a block of reason and code */
    case 0x20: /* SYS_EXIT_EXTENDED */
        if (guest_read(cpu, argument, words, 2 * sizeof(words[0]))) {
            run_finish(run, words[0] == 0x20026 ? (int)(words[1] & 0xff) : 1);
        } else {
            run_finish(run, 1);
        }
        return;
    default:
        complain("semihosting operation 0x%llx is not there", (unsigned long long)operation);
        break;
    }
    av_exit_set_x(cpu->vcpu, 0, result);
}
