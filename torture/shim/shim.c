/*
 * Faults of disk and clock for one process and its children, by LD_PRELOAD.
 *
 * The run compiles this file with `cc -shared -fPIC` and preloads it into Postgres (disk and clock) and into the holdfast
 * binary (clock). nats-server is linked statically and never calls libc: it is not reached by this.
 *
 * HOLDFAST_SHIM names the control file, mapped by every process, written by the run at any time (see environment/shim.rs):
 * numbers of 64 bits in the machine's order, see `struct control`. Without that file, or with zeros in it, nothing happens.
 * HOLDFAST_SHIM_WAL and HOLDFAST_SHIM_DATA are the path prefixes that `full` and `fsync_error` speak of.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t fsync_delay_ms;  /* every fsync and fdatasync takes so much longer */
    int64_t fsync_error;     /* places where fsync answers EIO */
    int64_t full;            /* places where files cannot be made or grow: ENOSPC */
    int64_t clock_offset_ms; /* added to CLOCK_REALTIME; monotonic clocks stay */
    int64_t hits;            /* written by us: how often a disk fault was dealt out */
};

static struct control nothing;
static volatile struct control *control = &nothing;
static const char *prefixes[2]; /* of the places WAL (bit 1) and DATA (bit 2) */

static int (*real_open)(const char *, int, ...);
static int (*real_fsync)(int), (*real_fdatasync)(int);
static int (*real_posix_fallocate)(int, off_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

#define LOAD(name) if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("HOLDFAST_SHIM");
    LOAD(open);
    /* Copies: Postgres writes its process title over the environment. */
    const char *wal = getenv("HOLDFAST_SHIM_WAL"), *data = getenv("HOLDFAST_SHIM_DATA");
    prefixes[0] = wal ? strdup(wal) : NULL;
    prefixes[1] = data ? strdup(data) : NULL;
    int fd = path ? real_open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        control = map;
    close(fd);
}

/* Which of `places` the path lies in; relative paths are taken from the working directory, as Postgres uses them. */
static int64_t place_of(const char *path, int64_t places)
{
    char whole[2 * PATH_MAX];
    if (path[0] != '/') {
        if (!getcwd(whole, PATH_MAX))
            return 0;
        strcat(whole, "/");
        strncat(whole, path, PATH_MAX - 2);
        path = whole;
    }
    for (int i = 0; i < 2; i++)
        if ((places & (1 << i)) && prefixes[i] && !strncmp(path, prefixes[i], strlen(prefixes[i])))
            return 1 << i;
    return 0;
}

static int64_t place_of_file(int fd, int64_t places)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0 ? place_of(path, places) : 0;
}

#define HIT() __atomic_add_fetch((int64_t *)&control->hits, 1, __ATOMIC_RELAXED)

/* A full disk still takes what is written over old content. */
static int is_full(int fd, off_t end)
{
    struct stat now;
    int64_t full = control->full;
    if (!full || fd < 0 || fstat(fd, &now) || !S_ISREG(now.st_mode) || end <= now.st_size || !place_of_file(fd, full))
        return 0;
    HIT();
    return 1;
}

#define REFUSE_IF_FULL(fd, end) if (is_full(fd, end)) { errno = ENOSPC; return -1; }
int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    LOAD(open);
    if (control->full && (flags & O_CREAT) && access(path, F_OK) && place_of(path, control->full)) {
        HIT();
        errno = ENOSPC;
        return -1;
    }
    return real_open(path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    LOAD(write);
    if (control->full) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        if (at >= 0)
            REFUSE_IF_FULL(fd, at + (off_t)length);
    }
    return real_write(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    LOAD(pwrite);
    REFUSE_IF_FULL(fd, at + (off_t)length);
    return real_pwrite(fd, bytes, length, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    LOAD(pwritev);
    off_t end = at;
    for (int i = 0; i < count; i++) end += (off_t)parts[i].iov_len;
    REFUSE_IF_FULL(fd, end);
    return real_pwritev(fd, parts, count, at);
}

int posix_fallocate(int fd, off_t at, off_t length)
{
    LOAD(posix_fallocate);
    return is_full(fd, at + length) ? ENOSPC : real_posix_fallocate(fd, at, length);
}

static int sync_file(int fd, int (*really)(int))
{
    int64_t delay_ms = control->fsync_delay_ms, error = control->fsync_error;
    if (delay_ms > 0) {
        struct timespec pause = { delay_ms / 1000, delay_ms % 1000 * 1000000 };
        HIT();
        nanosleep(&pause, NULL);
    }
    if (error && fd >= 0 && place_of_file(fd, error)) {
        HIT();
        errno = EIO;
        return -1;
    }
    return really(fd);
}

int fsync(int fd) { LOAD(fsync); return sync_file(fd, real_fsync); }
int fdatasync(int fd) { LOAD(fdatasync); return sync_file(fd, real_fdatasync); }

int clock_gettime(clockid_t clock, struct timespec *now)
{
    LOAD(clock_gettime);
    int answer = real_clock_gettime(clock, now);
    int64_t offset_ms = control->clock_offset_ms;
    if (!answer && offset_ms && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_nsec + offset_ms % 1000 * 1000000;
        now->tv_sec += offset_ms / 1000 + (ns >= 1000000000) - (ns < 0);
        now->tv_nsec = (ns + 1000000000) % 1000000000;
    }
    return answer;
}

int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec precise;
    (void)zone;
    int answer = clock_gettime(CLOCK_REALTIME, &precise);
    *now = (struct timeval){ precise.tv_sec, precise.tv_nsec / 1000 };
    return answer;
}

time_t time(time_t *out)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    return out ? (*out = precise.tv_sec) : precise.tv_sec;
}
