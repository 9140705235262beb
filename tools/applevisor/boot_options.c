/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "applevisor.h"
#include "boot.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static bool parse_number(const char *text, uint64_t limit, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *value <= limit;
}

static bool parse_size(const char *text, uint64_t *value)
{
    static const char units[] = "KMG";
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (errno != 0 || end == text || text[0] == '-') {
        return false;
    }
    const char *const unit = *end == '\0' ? NULL : strchr(units, *end);
    if (*end != '\0' && (unit == NULL || end[1] != '\0')) {
        return false;
    }
    const unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - units + 1);
    if (*value > UINT64_MAX >> shift) {
        return false;
    }
    *value <<= shift;
    return true;
}

/* --- Options ------------------------------------------------------------------------------------------------------------------ */

static bool set_kernel(struct boot_options *options, char *value)
{
    options->kernel = value;
    return true;
}

static bool set_initrd(struct boot_options *options, char *value)
{
    options->initrd = value;
    return true;
}

static bool set_append(struct boot_options *options, char *value)
{
    /* COMMAND_LINE_SIZE of arm64, its \0 included. */
    if (strlen(value) > 2047) {
        complain("boot: --append is %zu bytes; Linux takes 2047", strlen(value));
        return false;
    }
    options->append = value;
    return true;
}

static bool set_cpus(struct boot_options *options, char *value)
{
    uint64_t n, most = 64;
    uint32_t framework = 0;

    if (hv_vm_get_max_vcpu_count(&framework) == HV_SUCCESS && framework < most) {
        most = framework;
    }
    if (!parse_number(value, most, &n) || n == 0) {
        complain("boot: --cpus %s: expected a number from 1 to %u", value, (unsigned)most);
        return false;
    }
    options->cpus = (unsigned)n;
    return true;
}

static bool set_memory(struct boot_options *options, char *value)
{
    if (!parse_size(value, &options->memory) || options->memory < 64 * MIB ||
        options->memory > 1024 * GIB || options->memory % (2 * MIB) != 0) {
        complain(
            "boot: --memory %s: expected a size from 64M to 1024G in steps of 2M, such as 512M or 4G",
            value);
        return false;
    }
    return true;
}

/* Cuts ,WORD off the end. */
static bool cut(char *value, const char *word)
{
    char *const comma = strrchr(value, ',');

    if (comma == NULL || strcmp(comma + 1, word) != 0) {
        return false;
    }
    *comma = '\0';
    return true;
}

/* FILE[,ro][,snapshot]: the flags stand at the end, so that names with commas are possible. */
static bool add_disk(struct boot_options *options, char *value)
{
    struct disk_config disk = {.path = value};

    if (options->n_disks == BOOT_MAX_DISKS) {
        complain("boot: --disk %s: more than %u disks", value, BOOT_MAX_DISKS);
        return false;
    }
    for (bool more = true; more;) {
        more = false;
        if (cut(value, "ro")) {
            more = disk.read_only = true;
        }
        if (cut(value, "snapshot")) {
            more = disk.snapshot = true;
        }
    }
    if (value[0] == '\0') {
        complain("boot: --disk: the file's name is missing: --disk FILE[,ro][,snapshot]");
        return false;
    }
    options->disks[options->n_disks++] = disk;
    return true;
}

static bool add_net(struct boot_options *options, char *value)
{
    const size_t kind = strcspn(value, ",");

    if (options->n_nets == BOOT_MAX_NETS) {
        complain("boot: --net %s: more than %u networks", value, BOOT_MAX_NETS);
        return false;
    }
    if (kind != 4 || memcmp(value, "user", 4) != 0) {
        complain("boot: --net %s: expected user[,hostfwd=tcp:[ADDRESS]:PORT-[ADDRESS]:PORT]",
                 value);
        return false;
    }
    return net_user_parse(&options->nets[options->n_nets++],
                          value[kind] == ',' ? value + kind + 1 : "");
}

/* Cuts ,WORD=VALUE off the end; the value, or NULL. */
static char *cut_value(char *value, const char *word)
{
    char *const comma = strrchr(value, ',');
    const size_t size = strlen(word);

    if (comma == NULL || strncmp(comma + 1, word, size) != 0 || comma[1 + size] != '=') {
        return NULL;
    }
    *comma = '\0';
    return comma + 1 + size + 1;
}

/* DIR[,ro][,tag=NAME] */
static bool add_share(struct boot_options *options, char *value)
{
    static const char *const tags[BOOT_MAX_SHARES] = {"share", "share1", "share2", "share3"};
    struct p9_config share = {.path = value};

    if (options->n_shares == BOOT_MAX_SHARES) {
        complain("boot: --share %s: more than %u folders", value, BOOT_MAX_SHARES);
        return false;
    }
    share.tag = tags[options->n_shares];
    for (bool more = true; more;) {
        char *const tag = cut_value(value, "tag");
        more = tag != NULL;
        share.tag = more ? tag : share.tag;
        if (cut(value, "ro")) {
            more = share.read_only = true;
        }
    }
    if (value[0] == '\0') {
        complain("boot: --share: the folder's name is missing: --share DIR[,ro][,tag=NAME]");
        return false;
    }
    for (unsigned i = 0; i < options->n_shares; i++) {
        if (strcmp(options->shares[i].tag, share.tag) == 0) {
            complain("boot: --share %s: the tag '%s' is taken; give another with ,tag=NAME", value,
                     share.tag);
            return false;
        }
    }
    options->shares[options->n_shares++] = share;
    return true;
}

static const struct {
    const char *name;
    bool (*set)(struct boot_options *options, char *value);
} with_value[] = {
    {"--kernel", set_kernel}, {"--initrd", set_initrd}, {"--append", set_append},
    {"--cpus", set_cpus},     {"--memory", set_memory}, {"--disk", add_disk},
    {"--net", add_net},       {"--share", add_share},
};

/* 1: done, 0: no such option, -1: complained. */
static int parse_with_value(struct boot_options *options, int argc, char **argv, int *i)
{
    for (size_t k = 0; k < sizeof(with_value) / sizeof(with_value[0]); k++) {
        const size_t length = strlen(with_value[k].name);
        char *value;
        if (strcmp(argv[*i], with_value[k].name) == 0) {
            if (*i + 1 == argc) {
                complain("boot: %s needs a value; see applevisor --help", argv[*i]);
                return -1;
            }
            value = argv[++*i];
        } else if (strncmp(argv[*i], with_value[k].name, length) == 0 && argv[*i][length] == '=') {
            value = argv[*i] + length + 1;
        } else {
            continue;
        }
        return with_value[k].set(options, value) ? 1 : -1;
    }
    return 0;
}

bool boot_console_is_virtio(const struct boot_options *options)
{
    static const char word[] = "console=hvc";
    const char *found = options->append;

    while ((found = strstr(found, word)) != NULL) {
        if (found == options->append || found[-1] == ' ') {
            return true;
        }
        found += sizeof(word) - 1;
    }
    return false;
}

int boot_options_parse(struct boot_options *options, int argc, char **argv)
{
    *options = (struct boot_options){
        .append = "console=ttyAMA0", .cpus = 1, .memory = 512 * MIB, .escape = true};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return -1;
        }
        if (strcmp(argv[i], "--no-console-escape") == 0) {
            options->escape = false;
            continue;
        }
        const int result = parse_with_value(options, argc, argv, &i);
        if (result == 0) {
            complain("boot: there is no option '%s'; see applevisor --help", argv[i]);
        }
        if (result <= 0) {
            return EXIT_USAGE;
        }
    }
    if (options->kernel == NULL) {
        complain("boot: --kernel FILE is missing; `make linux` fetches one");
        return EXIT_USAGE;
    }
    return 0;
}
