/* A disk under Postgres's write-ahead log that is full, or that does not sync: as the file in DAYBOOK_DISK_SWITCH says
 * (`full`, `broken`; no file: as it is). Loaded before libc, by LD_PRELOAD, into a server of a test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int is(const char *what, int fd) {
    const char *file = getenv("DAYBOOK_DISK_SWITCH");
    char word[16] = {0}, link[64], path[4096];
    int before = errno, at = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t length = 0;
    if (at >= 0) {
        length = read(at, word, sizeof word - 1);
        close(at);
    }
    errno = before;
    if (length <= 0 || strncmp(word, what, strlen(what)) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, "/pg_wal/") != NULL;
}

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)
#define FULL(fd) if (is("full", fd)) { errno = ENOSPC; return -1; }
#define BROKEN(fd) if (is("broken", fd)) { errno = EIO; return -1; }

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { FULL(fd) return REAL(pwrite, fd, bytes, count, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { FULL(fd) return REAL(pwrite64, fd, bytes, count, at); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { FULL(fd) return REAL(pwritev, fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { FULL(fd) return REAL(pwritev64, fd, parts, count, at); }
int fsync(int fd) { BROKEN(fd) return REAL(fsync, fd); }
int fdatasync(int fd) { BROKEN(fd) return REAL(fdatasync, fd); }
