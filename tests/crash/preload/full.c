/* A disk that is full, where a small one cannot be mounted: while the file SETTLED_CRASH_FULL exists, nothing can be
   written at an offset of a file (as SQLite writes) and no file can grow. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static int full(void) {
    const char *flag = getenv("SETTLED_CRASH_FULL");
    return flag && access(flag, F_OK) == 0;
}

#define REFUSE if (full()) { errno = ENOSPC; return -1; }
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    REFUSE
    return REAL("pwrite", ssize_t (*)(int, const void *, size_t, off_t))(file, data, size, at);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    REFUSE
    return REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t))(file, data, size, at);
}

int ftruncate(int file, off_t size) {
    REFUSE
    return REAL("ftruncate", int (*)(int, off_t))(file, size);
}

int ftruncate64(int file, off64_t size) {
    REFUSE
    return REAL("ftruncate64", int (*)(int, off64_t))(file, size);
}

int posix_fallocate(int file, off_t at, off_t size) {
    if (full()) return ENOSPC;
    return REAL("posix_fallocate", int (*)(int, off_t, off_t))(file, at, size);
}
