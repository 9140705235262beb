/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const executor_names[] = {"default", "interpreter", "stepped", "broken",
                                             "warming"};

/* --- The name of a case ----------------------------------------------------------------------------------------------------------- */

bool case_parse(const char *text, struct case_id *id)
{
    char *end;

    memset(id, 0, sizeof(*id));
    id->keep_all = true;
    id->seed = strtoull(text, &end, 0);
    if (*end != ':') {
        return false;
    }
    id->first = id->number = strtoull(end + 1, &end, 0);
    if (*end == '-') {
        id->number = strtoull(end + 1, &end, 0);
    }
    if (*end == '/') {
        id->keep_all = false;
        do {
            const unsigned long i = strtoul(end + 1, &end, 0);
            if (i >= BLOCKS_MAX_WORDS) {
                return false;
            }
            id->keep[i] = true;
        } while (*end == ',');
    }
    return *end == 0 && id->first <= id->number;
}

static void case_print(FILE *out, const struct case_id *id, const struct block *b)
{
    char separator = '/';

    fprintf(out, "%" PRIu64 ":", id->seed);
    if (id->first != id->number) {
        fprintf(out, "%" PRIu64 "-", id->first);
    }
    fprintf(out, "%" PRIu64, id->number);
    for (unsigned i = 0; !id->keep_all && i < b->n_words; i++) {
        if (id->keep[i]) {
            fprintf(out, "%c%u", separator, i);
            separator = ',';
        }
    }
}

/* The block of the case. Its last word, which ends it, stays. */
static void case_block(const struct case_id *id, struct block *b)
{
    memset(b, 0, sizeof(*b));
    block_make(b, id->seed, id->number);
    for (unsigned i = 0; !id->keep_all && i + 1 < b->n_words; i++) {
        if (!id->keep[i]) {
            b->words[i] = BLOCKS_NOP;
        }
    }
}

/* --- One trial --------------------------------------------------------------------------------------------------------------------- */

static enum outcome run_case(const struct pairing *pairing, const struct case_id *id,
                             struct machine *a, struct machine *b)
{
    struct block block;

    if (!machine_open(a, pairing->a) || !machine_open(b, pairing->b)) {
        fprintf(stderr, "blocks: no memory for a VM\n");
        exit(2);
    }
    machine_start_clock();
    memset(&block, 0, sizeof(block));
    for (uint64_t n = id->first; n < id->number; n++) {
        block_make(&block, id->seed, n);
        if (outcome_is_failure(compare_run(a, b, &block))) {
            return OUTCOME_EQUAL; /* another failure is not this one */
        }
    }
    case_block(id, &block);
    return compare_run(a, b, &block);
}

/* In a child; print: tell the differences. Returns its wait status. */
static int trial(const struct pairing *pairing, const struct case_id *id, bool print,
                 unsigned limit_ms)
{
    int status;

    fflush(NULL);
    const pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "blocks: cannot start a process\n");
        exit(2);
    }
    if (pid == 0) {
        static struct machine a, b;
        machine_set_limit_ms(limit_ms);
        const enum outcome o = run_case(pairing, id, &a, &b);
        if (print && outcome_is_failure(o)) {
            printf("  %-24s %s  %s\n", "", executor_names[pairing->a], executor_names[pairing->b]);
            if (o == OUTCOME_DIFFERENT) {
                compare_print(stdout, &a, &b);
            } else {
                printf("  %s does not end\n",
                       executor_names[o == OUTCOME_HANG_A ? pairing->a : pairing->b]);
            }
            fflush(stdout);
        }
        _exit((int)o);
    }
    waitpid(pid, &status, 0);
    return status;
}

static bool failed(int status)
{
    return WIFSIGNALED(status) || outcome_is_failure((enum outcome)WEXITSTATUS(status));
}

/* --- Printing ------------------------------------------------------------------------------------------------------------------------ */

/* Disassembles by objdump where there is one. */
static void print_code(const struct block *b, const bool *keep)
{
    char path[] = "/tmp/blocks-XXXXXX", command[256];
    const int fd = mkstemp(path);
    FILE *in = NULL;
    char line[512];
    unsigned i = 0;

    if (fd >= 0) {
        if (write(fd, b->words, 4u * b->n_words) == (ssize_t)(4u * b->n_words)) {
            snprintf(command, sizeof(command),
                     "aarch64-linux-gnu-objdump -D -b binary -maarch64 -M no-aliases "
                     "--adjust-vma=0x%" PRIx64 " %s 2>/dev/null",
                     (uint64_t)BLOCKS_CODE + b->start, path);
            in = popen(command, "r");
        }
        close(fd);
    }
    while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
        const char *const tab = strchr(line, '\t');
        if (tab != NULL && i < b->n_words) {
            if (keep == NULL || keep[i]) {
                printf("  %3u %s", i, line);
            }
            i++;
        }
    }
    if (in != NULL) {
        pclose(in);
    }
    if (fd >= 0) {
        unlink(path);
    }
    for (; i < b->n_words; i++) { /* no objdump */
        if (keep == NULL || keep[i]) {
            const char *const name = block_row_name(b->words[i]);
            printf("  %3u %" PRIx64 ": %08" PRIx32 " %s\n", i,
                   (uint64_t)BLOCKS_CODE + b->start + 4 * i, b->words[i],
                   name != NULL ? name : "undefined");
        }
    }
}

static void print_world(const struct block *b)
{
    const struct world *const w = &b->world;

    printf("  EL%u%s, %s%s%s%s, SCTLR_EL1 %" PRIx64 ", PSTATE %" PRIx32 ", CPACR_EL1 %" PRIx64
           ", FPCR %" PRIx64 ", NZCV %" PRIx64 "\n",
           b->pstate >> 2 & 3u, (b->pstate & PSTATE_SP) != 0 ? "h" : "t",
           w->mmu ? "MMU on" : "MMU off", w->upper ? ", upper range" : "",
           w->tagged ? ", tagged pointers" : "", w->wcr != 0 ? ", a watchpoint" : "", w->sctlr,
           b->pstate, w->cpacr, b->state.fpcr, b->state.nzcv);
    if (w->wcr != 0) {
        printf("  DBGWCR0_EL1 %" PRIx64 ", DBGWVR0_EL1 %" PRIx64 "\n", w->wcr, w->wvr);
    }
}

/* The start values of registers whose numbers occur in the instructions that are left. */
static void print_start(const struct block *b, const bool *keep)
{
    uint32_t used = 0;

    for (unsigned i = 0; i + 1 < b->n_words; i++) {
        if (keep[i]) {
            const uint32_t w = b->words[i];
            used |= 1u << (w & 31) | 1u << (w >> 5 & 31) | 1u << (w >> 16 & 31) |
                    1u << (w >> 10 & 31);
        }
    }
    printf("  before:\n");
    for (unsigned i = 0; i < 32; i++) {
        if ((used >> i & 1) != 0) {
            const uint64_t x = i < 31
                                   ? b->state.x[i]
                                   : b->sp[(b->pstate & PSTATE_SP) != 0 && (b->pstate & 12) != 0];
            printf("  %s%-4u %016" PRIx64 "   v%-4u %016" PRIx64 "%016" PRIx64 "\n",
                   i == 31 ? "sp " : "x", i, x, i, b->state.v[i][1], b->state.v[i][0]);
        }
    }
}

/* --- Shrinking -------------------------------------------------------------------------------------------------------------------------- */

static unsigned count_kept(const struct case_id *id, const struct block *b)
{
    unsigned n = 0;

    for (unsigned i = 0; i + 1 < b->n_words; i++) {
        n += id->keep[i];
    }
    return n;
}

/* Drops runs of instructions, long ones first, while the case still fails. */
static void shrink(const struct pairing *pairing, struct case_id *id, const struct block *b)
{
    const unsigned n = b->n_words - 1;

    id->keep_all = false;
    memset(id->keep, 0, sizeof(id->keep));
    memset(id->keep, 1, n);
    for (unsigned length = n; length > 0; length = length > 1 ? (length + 1) / 2 : 0) {
        bool again = true;
        while (again) {
            again = false;
            for (unsigned at = 0; at < n; at += length) {
                struct case_id smaller = *id;
                const unsigned end = at + length < n ? at + length : n;
                memset(smaller.keep + at, 0, end - at);
                if (memcmp(smaller.keep, id->keep, sizeof(id->keep)) != 0 &&
                    failed(trial(pairing, &smaller, false, 150))) {
                    *id = smaller;
                    again = length == 1;
                }
            }
        }
    }
}

/* How far back the history has to go for the case to fail again; false: it does not fail. */
static bool find_history(const struct pairing *pairing, struct case_id *id)
{
    static const uint64_t distances[] = {0, BLOCKS_PER_WORLD - 1, 64, 512, 4096};

    for (unsigned i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        uint64_t d = distances[i] < id->number ? distances[i] : id->number;
        if (i == 1) {
            d = id->number % BLOCKS_PER_WORLD;
        }
        id->first = id->number - d;
        if (failed(trial(pairing, id, false, 1000))) {
            return true;
        }
    }
    id->first = id->number;
    return false;
}

static void print_replay(const struct pairing *pairing, const struct case_id *id,
                         const struct block *b)
{
    printf("  replay: --case ");
    case_print(stdout, id, b);
    if (pairing->b != EXECUTOR_DEFAULT) {
        printf(" --against %s", executor_names[pairing->b]);
    }
    printf("\n");
}

static void print_end(int status)
{
    if (WIFSIGNALED(status)) {
        printf("  killed by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
}

unsigned report_failure(const struct pairing *pairing, uint64_t seed, uint64_t number,
                        const char *how)
{
    struct case_id id = {.seed = seed, .first = number, .number = number, .keep_all = true};
    static struct block b;

    case_block(&id, &b);
    printf("FAILED %" PRIu64 ":%" PRIu64 ": %s\n", seed, number, how);
    print_world(&b);
    if (!find_history(pairing, &id)) {
        printf(
            "  does not fail again, with up to 4096 cases before it (they may have run in another order)\n");
        print_replay(pairing, &id, &b);
        print_code(&b, NULL);
        return 0;
    }
    shrink(pairing, &id, &b);
    print_replay(pairing, &id, &b);
    print_code(&b, id.keep);
    print_start(&b, id.keep);
    print_end(trial(pairing, &id, true, 1000));
    fflush(stdout);
    return count_kept(&id, &b);
}

bool report_replay(const struct pairing *pairing, const struct case_id *id, bool verbose)
{
    static struct block b;

    case_block(id, &b);
    print_world(&b);
    if (verbose || !id->keep_all) {
        print_code(&b, id->keep_all ? NULL : id->keep);
    }
    const int status = trial(pairing, id, true, 1000);
    print_end(status);
    printf("%s\n", failed(status)                                      ? "FAILED"
                   : (enum outcome)WEXITSTATUS(status) == OUTCOME_HANG ? "endless in both"
                                                                       : "equal");
    return failed(status);
}
