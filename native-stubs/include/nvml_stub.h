/*
 * Controls of the stub for tests and tools, beyond NVML. NVML itself needs none of them, the environment
 * variables do for programs that know nothing of a stub:
 *
 *   NVML_STUB_GPUS    the machine: model keys, each with an optional count, separated by commas:
 *                     "A100-SXM4-40GB", "A100-SXM4-40GB*8", "A100-SXM4-40GB,H200". Any unambiguous beginning of a key will
 *                     do, in any case; "H200" is the SXM. "+swapped" behind a key is a board whose halves have each other's
 *                     GPU instance ids, as some real boards do; "+vm" one that is passed through to a virtual machine and
 *                     cannot be reset from there. Default: one A100-SXM4-40GB.
 *   NVML_STUB_STATE   the file in which the machine lives on between processes. Without it, it is private to the process.
 *   NVML_STUB_DRIVER  the driver's branch: 470, 525, 535, 550 or 580 (default), or "future", one to come. It decides which
 *                     profiles and struct versions there are. The library in the folder 470 beside this one is that
 *                     branch, and lacks the functions that came later.
 *   NVML_STUB_PRIVILEGES  what the calling process may do: "all" (default, as root), "config" (create and destroy
 *                     instances, but set no mode: the MIG config capability), "monitor" (see instances, change nothing),
 *                     "none" (see GPU instances, but not what is in them and on them).
 *   NVML_STUB_LATENCY "none" (default), or "hardware": calls take as long as on hardware and wait for each other as
 *                     there (hardware.h). Reads as measured on an H200; changes by others' logs, or assumed (latency.c).
 *   NVML_STUB_FAULTS  trouble, as FUNCTION[#N][@GPU][~RATE/SEED][:after]=ACTION; several separated by ";". The Nth call of
 *                     the function in this process ("*": of any; without #N: every call), only of those that are about
 *                     GPU, is struck before it does its work, or after. With ~RATE/SEED each such call is struck at a
 *                     rate from 0 to 1, the same ones for the same SEED:
 *                       CODE         it returns this nvmlReturn_t, by name or number
 *                       activation:CODE  nvmlDeviceSetMigMode succeeds and gives this code as its activation status: the
 *                                    mode stays pending
 *                       kill         the process dies by SIGKILL
 *                       hang:MS      it takes so many milliseconds more
 *                       lose         the GPU is lost, until it is reset
 *                       destroy:G/I  someone else destroys GPU instance I of GPU G (destroy:G/I/C: compute instance C)
 *                     "nvmlDeviceCreateGpuInstance#3=NVML_ERROR_IN_USE", "*#17:after=kill", "*@1~0.05/42=999".
 *   NVML_STUB_TRACE   a file that gets a line for each call: function, GPU, result, microseconds.
 */
#ifndef NVML_STUB_H
#define NVML_STUB_H

#include "nvml_abi.h"

/*
 * Sets up this process's machine, in place of the environment variables: `gpus` as NVML_STUB_GPUS, `stateFile` as
 * NVML_STUB_STATE or NULL, `driver` as NVML_STUB_DRIVER; NULL: what that says. A private machine starts new; a machine in
 * a file is found as it was left. Everything else is as the environment says, until it is set below.
 * On failure, `message` (if not NULL) receives one line that says what is wrong.
 * IN_USE while NVML is initialised in this process: the machine under a running session never changes.
 */
NVML_EXPORT nvmlReturn_t nvmlStubConfigure(const char *gpus, const char *stateFile, const char *driver, char *message,
                                           unsigned int messageLength);

/*
 * Puts a new machine into an existing state file, also while other processes use it; without `gpus`, one with the GPUs
 * that the file has. A file that is not a state file of this stub is left alone (INVALID_STATE); NOT_FOUND if there is
 * none.
 */
NVML_EXPORT nvmlReturn_t nvmlStubReset(const char *gpus, const char *stateFile, char *message,
                                       unsigned int messageLength);

/* The same as the environment variables of these names, from the next call on. NULL: nothing of it. */
NVML_EXPORT nvmlReturn_t nvmlStubSetLatency(const char *latency, char *message, unsigned int messageLength);
NVML_EXPORT nvmlReturn_t nvmlStubSetFaults(const char *faults, char *message, unsigned int messageLength);
NVML_EXPORT nvmlReturn_t nvmlStubSetPrivileges(const char *privileges, char *message, unsigned int messageLength);

/*
 * How many events were gone before an event set of this process came to look for them: a process may be 128 behind. Whether
 * the set would have wanted them is not known.
 */
NVML_EXPORT unsigned long long nvmlStubGetLostEvents(void);

/* ---- what happens to the machine: seen by all processes that share it -------------------------------------------- */

/* The work of a process on a GPU: it decides in which of NVML's lists it shows. */
typedef enum {
    NVML_STUB_PROCESS_COMPUTE = 0,
    NVML_STUB_PROCESS_MPS = 1, /* a client of the Multi-Process Service: it is listed with those that compute as well */
    NVML_STUB_PROCESS_GRAPHICS = 2,
    NVML_STUB_PROCESS_KINDS
} nvmlStubProcessKind;

/*
 * A process that uses a GPU, or the MIG device gpuInstance/computeInstance of it (both -1: the GPU as a whole). While it
 * runs, what it uses cannot be destroyed, and MIG mode cannot change on Ampere. INSUFFICIENT_SIZE if there is no room for
 * more.
 *
 * pid 0, or 2^31 and up: a client that shows in no list of processes, such as DCGM. Of the GPU as a whole, it keeps the GPU
 * instances that there are when it starts; of gpuInstance (computeInstance -1), that one. A compute instance in them can
 * still be destroyed, the GPU instance cannot.
 */
NVML_EXPORT nvmlReturn_t nvmlStubStartProcess(unsigned int gpu, int gpuInstance, int computeInstance, unsigned int pid,
                                              const char *name, unsigned int memoryMiB, nvmlStubProcessKind kind);

/* Ends every use that the process makes of any GPU. NOT_FOUND if it makes none. */
NVML_EXPORT nvmlReturn_t nvmlStubEndProcess(unsigned int pid);

/* A GPU reports an Xid error, on an instance or (both -1) on the whole: those who wait for its events get one. */
NVML_EXPORT nvmlReturn_t nvmlStubRaiseXid(unsigned int gpu, int gpuInstance, int computeInstance, unsigned int xid);

/*
 * How a GPU is: whether its persistence mode is on (as on a new machine), whether a bad row of its memory waits for a reset
 * to be replaced or could not be, and its aggregate count of uncorrected memory errors, which are in DRAM.
 */
NVML_EXPORT nvmlReturn_t nvmlStubSetHealth(unsigned int gpu, unsigned int persistenceMode, unsigned int rowRemapPending,
                                           unsigned int rowRemapFailed, unsigned int uncorrectedEccErrors);

/*
 * How busy the SM of a GPU, or of its GPU instance gpuInstance (not -1), are, in percent, for the metrics of NVML; -1: what
 * processes make of it, as on a new machine.
 */
NVML_EXPORT nvmlReturn_t nvmlStubSetActivity(unsigned int gpu, int gpuInstance, int percent);

/*
 * nvidia-smi --gpu-reset: a pending MIG mode comes, a lost GPU is back; if MIG stays enabled the driver restores the
 * instances. IN_USE while clients hold it.
 */
NVML_EXPORT nvmlReturn_t nvmlStubResetGpu(unsigned int gpu);

/*
 * Unloads the kernel module and loads it again: instances go. MIG mode stays on Ampere, which keeps it in its InfoROM, and
 * goes on newer GPUs. IN_USE while clients hold a GPU.
 */
NVML_EXPORT nvmlReturn_t nvmlStubReloadModule(void);

/* Reboots: instances and processes go. MIG mode stays on Ampere, which keeps it in its InfoROM, and goes on newer GPUs. */
NVML_EXPORT nvmlReturn_t nvmlStubReboot(void);

/* A GPU model, as nvmlStubGetModel describes it. */
typedef struct {
    const char *key;         /* the name in NVML_STUB_GPUS */
    const char *name;        /* the product's name */
    const char *note;        /* how well it is known; for a model that is not simulated, what is not known */
    unsigned int simulated;  /* 0: too little is known of it */
    unsigned int mig;        /* 0: it has no MIG */
    unsigned int memoryMiB;  /* 0: not known */
    unsigned int bar1MiB;    /* 0: not known */
    unsigned int memoryDerived; /* 1: no session shows it */
    unsigned int bar1Derived;
} nvmlStubModel_t;

/* The models by index from 0, those that are not simulated last; NOT_FOUND behind the last. */
NVML_EXPORT nvmlReturn_t nvmlStubGetModel(unsigned int index, nvmlStubModel_t *model);

/* How often this process has called `function` (NULL: all of NVML) since the machine was configured. */
NVML_EXPORT unsigned long long nvmlStubGetCallCount(const char *function);

/* The C compiler's layout of the declarations in nvml_abi.h. */
typedef struct {
    const char *name; /* "sizeof T", "offsetof T.m", "sizeof T.m" or a constant's name */
    long long value;
} nvmlStubAbiFact_t;

NVML_EXPORT const nvmlStubAbiFact_t *nvmlStubGetAbi(unsigned int *count);

#endif
