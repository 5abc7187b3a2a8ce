/* The lasting identity of a GPU and its MIG devices: UUIDs, and the serial number of the GPU's board. */
#ifndef STUB_UUID_H
#define STUB_UUID_H

enum {
    UUID_TEXT_SIZE = 41,  /* "GPU-" or "MIG-", 36 characters, NUL */
    SERIAL_TEXT_SIZE = 14 /* 13 digits, as on the boards of data centres, NUL */
};

/* The UUID of the GPU of a model in a slot: the same in every machine where it sits there. */
void uuid_of_gpu(const char *model_key, unsigned int gpu, char text[UUID_TEXT_SIZE]);
/* The number that the driver makes UUIDs of. */
unsigned long long pdi_of_gpu(const char *model_key, unsigned int gpu);

void serial_of_gpu(const char *model_key, unsigned int gpu, char text[SERIAL_TEXT_SIZE]);

/*
 * The UUID of a MIG device depends on its GPU, its GPU instance id and the graphics engine it uses, and on nothing else:
 * the instance made again gets it again, and a 3g and the first 1c cut out of it have the same one. The driver gives each
 * compute instance the lowest engine that is free (open kernel module, kmigmgrAllocateInstanceEngines), as it gives it the
 * lowest id: the two are the same number.
 */
void uuid_of_mig_device(const char *model_key, unsigned int gpu, unsigned int gpu_instance, unsigned int engine,
                        char text[UUID_TEXT_SIZE]);

#endif
