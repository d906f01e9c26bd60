/* Counts the calls by which a process changes a folder, and kills it with SIGKILL at the one it is told; LD_PRELOAD.

   moments_arm(root, at): count from 0 the calls that concern `root`, and die at call number `at` (from 1; 0: never).
   A write with an odd number writes half of its bytes before the process dies, any other call is not made at all.
   moments_count(): how many there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[4096];
static long at;
static long count;
static int armed;

void moments_arm(const char *folder, long moment) {
    strncpy(root, folder, sizeof root - 1);
    at = moment;
    count = 0;
    armed = 1;
}

long moments_count(void) { return count; }

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether the process is to die at this call. */
static int next(void) { return __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) == at; }

static int inside(const char *path) {
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static int named(int directory, const char *path) {
    char place[64], found[4096];
    if (!armed) return 0;
    if (path[0] == '/') return inside(path);
    if (directory == AT_FDCWD) return getcwd(found, sizeof found) != NULL && inside(found);
    snprintf(place, sizeof place, "/proc/self/fd/%d", directory);
    ssize_t n = readlink(place, found, sizeof found - 1);
    if (n < 0) return 0;
    found[n] = 0;
    return inside(found);
}

static int opened(int descriptor) { return armed && named(descriptor, "."); }

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define NAMED(result, name, declared, given, directory, path) \
    result name declared { \
        REAL(name); \
        if (named(directory, path) && next()) die(); \
        return real given; \
    }

#define OPENED(result, name, declared, given) \
    result name declared { \
        REAL(name); \
        if (opened(fd) && next()) die(); \
        return real given; \
    }

#define OPEN(name, declared, directory, given) \
    int name declared { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        if (flags & (O_CREAT | O_TRUNC) && named(directory, path) && next()) die(); \
        return real given; \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(openat, (int directory, const char *path, int flags, ...), directory, (directory, path, flags, mode))
OPEN(openat64, (int directory, const char *path, int flags, ...), directory, (directory, path, flags, mode))

#define WRITE(name, declared, half, given) \
    ssize_t name declared { \
        REAL(name); \
        if (opened(fd) && next()) { \
            if (at % 2) real half; \
            die(); \
        } \
        return real given; \
    }

WRITE(write, (int fd, const void *bytes, size_t n), (fd, bytes, n / 2), (fd, bytes, n))
WRITE(pwrite, (int fd, const void *bytes, size_t n, off_t to), (fd, bytes, n / 2, to), (fd, bytes, n, to))
WRITE(pwrite64, (int fd, const void *bytes, size_t n, off64_t to), (fd, bytes, n / 2, to), (fd, bytes, n, to))
WRITE(sendfile, (int fd, int from, off_t *at_, size_t n), (fd, from, at_, n / 2), (fd, from, at_, n))
WRITE(sendfile64, (int fd, int from, off64_t *at_, size_t n), (fd, from, at_, n / 2), (fd, from, at_, n))

ssize_t copy_file_range(int from, off64_t *a, int fd, off64_t *b, size_t n, unsigned flags) {
    REAL(copy_file_range);
    if (opened(fd) && next()) {
        if (at % 2) real(from, a, fd, b, n / 2, flags);
        die();
    }
    return real(from, a, fd, b, n, flags);
}

OPENED(ssize_t, writev, (int fd, const struct iovec *parts, int n), (fd, parts, n))
OPENED(int, fsync, (int fd), (fd))
OPENED(int, fdatasync, (int fd), (fd))
OPENED(int, ftruncate, (int fd, off_t size), (fd, size))
OPENED(int, ftruncate64, (int fd, off64_t size), (fd, size))

NAMED(int, rename, (const char *old, const char *new), (old, new), AT_FDCWD, new)
NAMED(int, renameat, (int a, const char *old, int b, const char *new), (a, old, b, new), b, new)
NAMED(int, renameat2, (int a, const char *old, int b, const char *new, unsigned flags), (a, old, b, new, flags), b, new)
NAMED(int, link, (const char *old, const char *new), (old, new), AT_FDCWD, new)
NAMED(int, unlink, (const char *path), (path), AT_FDCWD, path)
NAMED(int, unlinkat, (int directory, const char *path, int flags), (directory, path, flags), directory, path)
NAMED(int, rmdir, (const char *path), (path), AT_FDCWD, path)
NAMED(int, mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
NAMED(int, mkdirat, (int directory, const char *path, mode_t mode), (directory, path, mode), directory, path)
