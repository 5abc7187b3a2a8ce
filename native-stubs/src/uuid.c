#include "uuid.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- SHA-1 of a short message, for UUIDs --------------------------------------------------------------- */

static uint32_t rotate(uint32_t value, unsigned int bits)
{
    return value << bits | value >> (32 - bits);
}

/* `length` at most 119: two blocks. */
static void sha1(const unsigned char *message, size_t length, unsigned char digest[20])
{
    unsigned char padded[128] = {0};
    memcpy(padded, message, length);
    padded[length] = 0x80;
    size_t blocks = length + 9 <= 64 ? 1 : 2;
    uint64_t bits = (uint64_t)length * 8;
    for (unsigned int i = 0; i < 8; i++)
        padded[blocks * 64 - 1 - i] = (unsigned char)(bits >> (8 * i));

    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    for (size_t block = 0; block < blocks; block++) {
        const unsigned char *bytes = padded + block * 64;
        uint32_t w[80];
        for (unsigned int i = 0; i < 16; i++)
            w[i] = (uint32_t)bytes[i * 4] << 24 | (uint32_t)bytes[i * 4 + 1] << 16 | (uint32_t)bytes[i * 4 + 2] << 8 |
                   bytes[i * 4 + 3];
        for (unsigned int i = 16; i < 80; i++)
            w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (unsigned int i = 0; i < 80; i++) {
            uint32_t f, k;
            if (i < 20) {
                f = (b & c) | (~b & d);
                k = 0x5A827999;
            } else if (i < 40) {
                f = b ^ c ^ d;
                k = 0x6ED9EBA1;
            } else if (i < 60) {
                f = (b & c) | (b & d) | (c & d);
                k = 0x8F1BBCDC;
            } else {
                f = b ^ c ^ d;
                k = 0xCA62C1D6;
            }
            uint32_t next = rotate(a, 5) + f + e + k + w[i];
            e = d;
            d = c;
            c = rotate(b, 30);
            b = a;
            a = next;
        }
        h[0] += a;
        h[1] += b;
        h[2] += c;
        h[3] += d;
        h[4] += e;
    }
    for (unsigned int i = 0; i < 20; i++)
        digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

/* ---- UUIDs --------------------------------------------------------------------------------------------------------- */

static void write_uuid(const char *prefix, const unsigned char u[16], char text[UUID_TEXT_SIZE])
{
    snprintf(text, UUID_TEXT_SIZE, "%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", prefix,
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* Measured on two H200: neither version nor variant. */
void uuid_of_gpu(const char *model_key, unsigned int gpu, char text[UUID_TEXT_SIZE])
{
    char name[96];
    snprintf(name, sizeof(name), "nvml-stub gpu %s %u", model_key, gpu);
    unsigned char u[20];
    sha1((const unsigned char *)name, strlen(name), u);
    write_uuid("GPU", u, text);
}

unsigned long long pdi_of_gpu(const char *model_key, unsigned int gpu)
{
    char name[96];
    snprintf(name, sizeof(name), "nvml-stub pdi %s %u", model_key, gpu);
    unsigned char digest[20];
    sha1((const unsigned char *)name, strlen(name), digest);
    unsigned long long pdi = 0;
    for (unsigned int i = 0; i < 8; i++)
        pdi = pdi << 8 | digest[i];
    return pdi;
}

void serial_of_gpu(const char *model_key, unsigned int gpu, char text[SERIAL_TEXT_SIZE])
{
    char name[96];
    snprintf(name, sizeof(name), "nvml-stub serial %s %u", model_key, gpu);
    unsigned char digest[20];
    sha1((const unsigned char *)name, strlen(name), digest);
    text[0] = '1';
    for (unsigned int i = 1; i < SERIAL_TEXT_SIZE - 1; i++)
        text[i] = (char)('0' + digest[i] % 10);
    text[SERIAL_TEXT_SIZE - 1] = '\0';
}

void uuid_of_mig_device(const char *model_key, unsigned int gpu, unsigned int gpu_instance, unsigned int engine,
                        char text[UUID_TEXT_SIZE])
{
    char name[96];
    snprintf(name, sizeof(name), "nvml-stub %s %u %u %u", model_key, gpu, gpu_instance, engine);
    unsigned char u[20];
    sha1((const unsigned char *)name, strlen(name), u);
    u[6] = (unsigned char)((u[6] & 0x0F) | 0x50); /* version 5 */
    u[8] = (unsigned char)((u[8] & 0x3F) | 0x80); /* variant 10 */
    write_uuid("MIG", u, text);
}
