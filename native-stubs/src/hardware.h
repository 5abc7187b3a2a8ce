/* What one GPU's hardware does is one thing at a time, for all processes on the machine. */
#ifndef STUB_HARDWARE_H
#define STUB_HARDWARE_H

void hardware_lock(unsigned int gpu);
void hardware_unlock(unsigned int gpu);

#endif
