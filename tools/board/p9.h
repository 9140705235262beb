/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A file server that speaks 9P2000.L, the dialect of Linux, about one folder of the host.
 *
 * Confinement: a path is a list of names under the folder, taken one step at a time, each without following symbolic links; ".." is
 * worked out in the list and stops at the folder. So nothing outside is reached, whatever links the guest or the host makes, and
 * whatever moves meanwhile. Symbolic links are text for the guest, which follows them in its own tree.
 *
 * Only files and directories are opened; FIFOs and sockets can be made and are the guest's own; devices cannot. Owners are the host's:
 * new files belong to this process's user, and giving them to another is EPERM. The bits set-user-ID and set-group-ID cannot be set,
 * as the host would honour them. Extended attributes are EOPNOTSUPP.
 *
 * Threads: one at a time.
 */
#ifndef BOARD_P9_H
#define BOARD_P9_H

#include <stdbool.h>
#include <stdint.h>

struct p9_server;
struct virtq_chain;

struct p9_config {
    const char *path; /* a directory */
    const char *tag;  /* the guest mounts it by this name: 1 to 31 characters */
    bool read_only;
};

/* NULL: complained. */
struct p9_server *p9_create(const struct p9_config *config);
void p9_destroy(struct p9_server *server);

/* The session ends: all fids are forgotten. */
void p9_reset(struct p9_server *server);

/* Answers the message in the chain's readable part; the size of the answer. 0: it is no message, or there is no room for an answer. */
uint32_t p9_serve(struct p9_server *server, const struct virtq_chain *chain);

#endif
