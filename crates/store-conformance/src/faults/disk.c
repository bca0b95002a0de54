/* A failing disk. Loaded before libc (LD_PRELOAD) into a program, it counts each write, truncation and sync
 * of the files under DISK_FOLDER whose path contains DISK_FILTER. One of these calls fails as DISK_CONTROL says.
 *
 * A power loss undoes the writes since the last sync: all of them, or some, since a disk may have kept the others.
 * That needs one process; the other faults work in any number of them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { COUNT, KILL, IO_ERROR, FULL, POWER_LOSS, PARTIAL_POWER_LOSS };

/* Shared with the watching process. Little-endian, as the watcher writes it. */
struct control {
    int64_t calls; /* so far */
    int64_t at;    /* the failing call; 0: no call */
    int64_t mode;
    int64_t fired; /* number of failed calls */
};

/* The data to undo a write or a truncation. */
struct undo {
    struct undo *before;
    char path[512];
    off_t offset, size;
    size_t length;
    char old[];
};

static struct control *control;
static const char *folder, *filter;
static struct undo *last;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
REAL(ssize_t, pwritev64, int, const struct iovec *, int, off64_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, ftruncate64, int, off64_t);

__attribute__((constructor)) static void start(void)
{
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
    real_pwritev64 = dlsym(RTLD_NEXT, "pwritev64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
    folder = getenv("DISK_FOLDER");
    filter = getenv("DISK_FILTER");
    const char *path = getenv("DISK_CONTROL");
    int fd = folder && filter && path ? open(path, O_RDWR) : -1;
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    control = mapped == MAP_FAILED ? NULL : mapped;
}

/* Returns whether this file may fail, and its path. */
static int concerns(int fd, char *path, size_t size)
{
    char link[64];
    if (!control)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0 && strstr(path, filter) != NULL;
}

static void lose_power(int64_t seed, int partial)
{
    for (struct undo *undo = last; undo; undo = undo->before) {
        seed = (int64_t)((uint64_t)seed * 6364136223846793005u + 1442695040888963407u);
        if (partial && (seed >> 40) & 1)
            continue; /* This write had reached the disk. */
        int fd = open(undo->path, O_RDWR);
        if (fd < 0)
            continue;
        if (undo->length)
            real_pwrite64(fd, undo->old, undo->length, undo->offset);
        real_ftruncate64(fd, undo->size);
        close(fd);
    }
    kill(getpid(), SIGKILL);
}

/* Counts a call. Returns its error, or 0. */
static int strike(void)
{
    int64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST), at = control->at, mode = control->mode;
    /* A full disk stays full. */
    if (!at || call < at || (call > at && mode != FULL))
        return 0;
    __atomic_add_fetch(&control->fired, 1, __ATOMIC_SEQ_CST);
    switch (mode) {
    case KILL:
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    case POWER_LOSS:
    case PARTIAL_POWER_LOSS:
        lose_power(at, mode == PARTIAL_POWER_LOSS);
        for (;;)
            pause();
    case IO_ERROR:
        return EIO;
    case FULL:
        return ENOSPC;
    }
    return 0;
}

/* Saves the bytes that are about to be overwritten or cut off. */
static void remember(int fd, const char *path, off_t offset, size_t length)
{
    struct stat now;
    if ((control->mode != POWER_LOSS && control->mode != PARTIAL_POWER_LOSS) || strstr(path, "-shm") || fstat(fd, &now))
        return;
    if (offset >= now.st_size)
        length = 0;
    else if ((off_t)length > now.st_size - offset)
        length = (size_t)(now.st_size - offset);
    struct undo *undo = malloc(sizeof *undo + length);
    if (!undo)
        abort();
    undo->before = last;
    undo->offset = offset;
    undo->size = now.st_size;
    undo->length = length;
    snprintf(undo->path, sizeof undo->path, "%s", path);
    if (pread(fd, undo->old, length, offset) != (ssize_t)length)
        abort();
    last = undo;
}

/* Synced data stays. */
static void forget(const char *path)
{
    for (struct undo **next = &last; *next;) {
        struct undo *undo = *next;
        if (strcmp(undo->path, path) == 0) {
            *next = undo->before;
            free(undo);
        } else {
            next = &undo->before;
        }
    }
}

/* A call on a file that may fail: `before` runs first, and `after` runs if the call was executed. */
#define GUARDED(fd, before, call, after)                        \
    do {                                                        \
        char path[512];                                         \
        if (!concerns(fd, path, sizeof path))                   \
            return call;                                        \
        pthread_mutex_lock(&lock);                              \
        int error = strike();                                   \
        if (error) {                                            \
            pthread_mutex_unlock(&lock);                        \
            errno = error;                                      \
            return -1;                                          \
        }                                                       \
        before;                                                 \
        __typeof__(call) result = call;                         \
        after;                                                  \
        pthread_mutex_unlock(&lock);                            \
        return result;                                          \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t length)
{
    GUARDED(fd, remember(fd, path, lseek(fd, 0, SEEK_CUR), length), real_write(fd, bytes, length), (void)0);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    GUARDED(fd, remember(fd, path, offset, length), real_pwrite64(fd, bytes, length, offset), (void)0);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(fd, bytes, length, offset);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t offset)
{
    GUARDED(fd, (void)0, real_pwritev64(fd, pieces, count, offset), (void)0);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    return pwritev64(fd, pieces, count, offset);
}

int fsync(int fd)
{
    GUARDED(fd, (void)0, real_fsync(fd), forget(path));
}

int fdatasync(int fd)
{
    GUARDED(fd, (void)0, real_fdatasync(fd), forget(path));
}

int ftruncate64(int fd, off64_t size)
{
    GUARDED(fd, remember(fd, path, size, SIZE_MAX / 2), real_ftruncate64(fd, size), (void)0);
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}
