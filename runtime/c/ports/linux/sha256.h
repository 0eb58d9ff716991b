/* SHA-256 (FIPS 180-4). */
#ifndef EK_SHA256_H
#define EK_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t state[8];
  uint64_t bytes;
  uint8_t block[64];
} sha256;

void sha256_begin(sha256 *s);
void sha256_add(sha256 *s, const void *bytes, size_t count);
/* 64 hexadecimal digits and a 0 */
void sha256_end(sha256 *s, char text[65]);

#endif
