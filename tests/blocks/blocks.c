/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * blocks: random programs, run by two executors that start from the same state; all state is compared wherever they leave the guest.
 *
 * The cases are spread over processes. Each holds two VMs and writes what it does into shared memory, so that the parent knows
 * the case when a child crashes, starts it again behind it, and shrinks and prints what failed.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/x64/asm.h"
#include "report.h"

#define MAX_JOBS     64
#define MAX_FAILURES 64

struct shared {
    _Atomic uint64_t n_cases, n_hangs, n_ended, n_cancelled;
    _Atomic unsigned n_failures;
    struct {
        uint64_t number;
        enum outcome outcome; /* OUTCOME_EQUAL: it crashed */
    } failures[MAX_FAILURES];
    struct job {
        _Atomic uint64_t number; /* the case that runs */
    } jobs[MAX_JOBS];
};

static struct {
    uint64_t seed, first, count;
    unsigned jobs, max_failures, seconds;
    struct pairing pairing;
    bool expect_failure, verbose, disturb;
    struct block_options block;
    const char *case_text;
} options = {.seed = 1,
             .count = 20000,
             .jobs = 1,
             .max_failures = 3,
             .pairing = {EXECUTOR_INTERPRETER, EXECUTOR_DEFAULT}};

static struct shared *shared;
static uint64_t deadline; /* CLOCK_MONOTONIC seconds; 0: none */

static uint64_t now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

static void note_failure(uint64_t number, enum outcome outcome)
{
    const unsigned i = atomic_fetch_add(&shared->n_failures, 1);

    if (i < MAX_FAILURES) {
        shared->failures[i].number = number;
        shared->failures[i].outcome = outcome;
    }
}

static bool is_over(void)
{
    return atomic_load(&shared->n_failures) >= options.max_failures ||
           (deadline != 0 && now_s() >= deadline);
}

static void open_pair(struct machine *a, struct machine *b)
{
    if (!machine_open(a, options.pairing.a) || !machine_open(b, options.pairing.b)) {
        fprintf(stderr, "blocks: no memory for a VM\n");
        _exit(2);
    }
    b->disturbed = options.disturb;
}

/* At the end of the program, by BRK #1 and the vectors. */
static bool has_ended(const struct machine *m)
{
    return (uint32_t)m->vcpu->cpu.sys[SR_ESR_EL1] == 0xf2000001;
}

static void run_one(struct machine *a, struct machine *b, struct block *block, uint64_t number)
{
    block_make(block, options.seed, number);
    const enum outcome o = compare_run(a, b, block);
    atomic_fetch_add_explicit(&shared->n_cases, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->n_hangs, o == OUTCOME_HANG, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->n_ended, has_ended(a), memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->n_cancelled, b->n_cancelled, memory_order_relaxed);
    b->n_cancelled = 0;
    if (options.verbose && o == OUTCOME_HANG) {
        printf("%" PRIu64 ":%" PRIu64 " is endless, PC %" PRIx64 "\n", options.seed, number,
               a->vcpu->cpu.pc);
        fflush(stdout);
    }
    if (outcome_is_failure(o)) {
        note_failure(number, o);
        /* Nothing of it must reach the cases behind. */
        machine_close(a);
        machine_close(b);
        open_pair(a, b);
    }
}

/* The worlds of this job from case `from` on. */
static _Noreturn void work(unsigned job, uint64_t from)
{
    static struct machine a, b;
    static struct block block;
    const uint64_t end = options.first + options.count;

    open_pair(&a, &b);
    machine_start_clock();
    if (options.disturb) {
        machine_start_disturbing();
    }
    for (uint64_t n = from; n < end;) {
        if (n / BLOCKS_PER_WORLD % options.jobs != job) {
            n = (n / BLOCKS_PER_WORLD + 1) * BLOCKS_PER_WORLD;
            continue;
        }
        if (is_over()) {
            break;
        }
        atomic_store(&shared->jobs[job].number, n);
        run_one(&a, &b, &block, n);
        n++;
    }
    exit(0); /* not _exit(): coverage is written */
}

static pid_t start(unsigned job, uint64_t from)
{
    fflush(NULL);
    const pid_t pid = fork();

    if (pid == 0) {
        work(job, from);
    }
    if (pid < 0) {
        fprintf(stderr, "blocks: cannot start a process: %s\n", strerror(errno));
        exit(2);
    }
    return pid;
}

static void run_jobs(void)
{
    pid_t pids[MAX_JOBS];
    unsigned n_running = options.jobs;
    int status;

    for (unsigned i = 0; i < options.jobs; i++) {
        pids[i] = start(i, options.first);
    }
    while (n_running > 0) {
        const pid_t pid = wait(&status);
        unsigned job = 0;
        while (job < options.jobs && pids[job] != pid) {
            job++;
        }
        if (job == options.jobs) {
            continue;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            n_running--;
            continue;
        }
        if (!WIFSIGNALED(status)) {
            exit(2);
        }
        const uint64_t number = atomic_load(&shared->jobs[job].number);
        note_failure(number, OUTCOME_EQUAL);
        pids[job] = start(job, number + 1);
    }
}

static const char *how(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_DIFFERENT:
        return "the executors differ";
    case OUTCOME_HANG_A:
        return "the first executor does not end";
    case OUTCOME_HANG_B:
        return "the second executor does not end";
    default:
        return "crash";
    }
}

/* The number of instructions left of the smallest failure. */
static unsigned report_all(void)
{
    const unsigned n = atomic_load(&shared->n_failures);
    unsigned smallest = BLOCKS_MAX_WORDS;

    for (unsigned i = 0; i < n && i < MAX_FAILURES && i < options.max_failures; i++) {
        const unsigned left = report_failure(&options.pairing, options.seed,
                                             shared->failures[i].number,
                                             how(shared->failures[i].outcome));
        smallest = left != 0 && left < smallest ? left : smallest;
    }
    return smallest;
}

/* --- Options -------------------------------------------------------------------------------------------------------------------- */

static const char usage[] =
    "usage: blocks [options]\n"
    "  --count N        cases (20000)\n"
    "  --seed N         (1)\n"
    "  --first N        number of the first case (0)\n"
    "  --seconds N      stop after this time\n"
    "  --jobs N         processes (1)\n"
    "  --rows REGEX     prefer instructions whose name or class matches\n"
    "  --against WHAT   compare the interpreter with: default (translator), warming, stepped, broken\n"
    "  --maintained     code is never written without cache maintenance\n"
    "  --disturb        the second executor is asked to exit all the time, and goes on; not with --case\n"
    "  --destroy        each call from emitted code to C loses all registers that it may lose\n"
    "  --code-bytes N   of memory for translated code, so that blocks leave it all the time\n"
    "  --max-failures N stop after as many (3)\n"
    "  --expect-failure succeed when something differs, and can be shrunk to a few instructions\n"
    "  --case SEED:N    replay one case; SEED:FIRST-N with those before it; /I,J keeps these instructions only\n"
    "  --verbose        print the program of --case, else the endless cases\n";

static _Noreturn void bad_usage(const char *what)
{
    fprintf(stderr, "blocks: %s\n%s", what, usage);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    const uint64_t n = strtoull(text, &end, 0);

    if (*text == 0 || *end != 0) {
        bad_usage("a number is needed");
    }
    return n;
}

static enum executor executor_by_name(const char *name)
{
    static const char *const names[] = {"default", "interpreter", "stepped", "broken", "warming"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum executor)i;
        }
    }
    bad_usage("--against: default, interpreter, warming, stepped or broken");
}

static void parse(int argc, char **argv)
{
    static const struct option list[] = {
        {"count", 1, NULL, 'n'},
        {"seed", 1, NULL, 's'},
        {"first", 1, NULL, 'f'},
        {"seconds", 1, NULL, 't'},
        {"jobs", 1, NULL, 'j'},
        {"rows", 1, NULL, 'r'},
        {"against", 1, NULL, 'a'},
        {"maintained", 0, NULL, 'm'},
        {"max-failures", 1, NULL, 'x'},
        {"expect-failure", 0, NULL, 'e'},
        {"case", 1, NULL, 'c'},
        {"disturb", 0, NULL, 'd'},
        {"destroy", 0, NULL, 'y'},
        {"verbose", 0, NULL, 'v'},
        {"code-bytes", 1, NULL, 'b'},
        {"help", 0, NULL, 'h'},
        {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
        switch (c) {
        case 'n':
            options.count = number(optarg);
            break;
        case 's':
            options.seed = number(optarg);
            break;
        case 'f':
            options.first = number(optarg);
            break;
        case 't':
            options.seconds = (unsigned)number(optarg);
            break;
        case 'j':
            options.jobs = (unsigned)number(optarg);
            break;
        case 'r':
            options.block.rows = optarg;
            break;
        case 'a':
            options.pairing.b = executor_by_name(optarg);
            break;
        case 'm':
            options.block.no_lazy_code = true;
            break;
        case 'x':
            options.max_failures = (unsigned)number(optarg);
            break;
        case 'e':
            options.expect_failure = true;
            break;
        case 'c':
            options.case_text = optarg;
            break;
        case 'd':
            options.disturb = true;
            break;
        case 'b':
            machine_set_code_bytes(number(optarg));
            break;
        case 'y':
            x64_calls_destroy = true;
            break;
        case 'v':
            options.verbose = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            bad_usage("unknown option");
        }
    }
    if (optind != argc || options.jobs == 0 || options.jobs > MAX_JOBS ||
        options.max_failures == 0 || options.max_failures > MAX_FAILURES) {
        bad_usage("bad arguments");
    }
}

static int replay(void)
{
    struct case_id id;

    if (!case_parse(options.case_text, &id)) {
        bad_usage("--case SEED:N, SEED:FIRST-N, each with /I,J,K");
    }
    return report_replay(&options.pairing, &id, options.verbose) ? 1 : 0;
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    if (!block_setup(&options.block)) {
        bad_usage("--rows: not a regular expression, or no row matches");
    }
    if (options.case_text != NULL) {
        return replay();
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        fprintf(stderr, "blocks: no memory\n");
        return 2;
    }
    deadline = options.seconds != 0 ? now_s() + options.seconds : 0;
    run_jobs();
    const unsigned left = report_all();
    const unsigned n_failures = atomic_load(&shared->n_failures);
    const uint64_t n = atomic_load(&shared->n_cases);
    printf("%" PRIu64 " cases, seed %" PRIu64 ": %u failed, %" PRIu64 " endless in both, %" PRIu64
           " ran to their end\n",
           n, options.seed, n_failures, atomic_load(&shared->n_hangs),
           atomic_load(&shared->n_ended));
    if (options.disturb) {
        printf("%" PRIu64 " requests to exit reached a run\n", atomic_load(&shared->n_cancelled));
        if (atomic_load(&shared->n_cancelled) == 0) {
            return 1;
        }
    }
    if (options.expect_failure) {
        return n_failures != 0 && left <= 4 ? 0 : 1;
    }
    return n_failures != 0 || n == 0 ? 1 : 0;
}
