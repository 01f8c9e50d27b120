// Makes P-256 keys, and with each signs one SHA-256 digest by a key that stays, as a CA does, by OpenSSL's library, without
// a program's start for each. Arguments: `direct` (EC_KEY, ECDSA_sign) or `evp`, and the number of keys. Prints JSON:
// seconds and processor seconds for all of them. Its functions are declared here, so no header package is needed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct ec_key EC_KEY;
typedef struct evp_pkey EVP_PKEY;
typedef struct evp_pkey_ctx EVP_PKEY_CTX;

EC_KEY *EC_KEY_new_by_curve_name(int nid);
int EC_KEY_generate_key(EC_KEY *key);
void EC_KEY_free(EC_KEY *key);
int ECDSA_size(const EC_KEY *key);
int ECDSA_sign(int type, const unsigned char *digest, int length, unsigned char *signature, unsigned *size, EC_KEY *key);
EVP_PKEY *EVP_PKEY_Q_keygen(void *library, const char *properties, const char *type, ...);
void EVP_PKEY_free(EVP_PKEY *key);
EVP_PKEY_CTX *EVP_PKEY_CTX_new(EVP_PKEY *key, void *engine);
void EVP_PKEY_CTX_free(EVP_PKEY_CTX *context);
int EVP_PKEY_sign_init(EVP_PKEY_CTX *context);
int EVP_PKEY_sign(EVP_PKEY_CTX *context, unsigned char *signature, size_t *size, const unsigned char *digest, size_t length);

enum { prime256v1 = 415, largest_signature = 72 };

static const unsigned char digest[32] = {1, 2, 3};

static EC_KEY *authority;
static EVP_PKEY *evp_authority;

static EC_KEY *new_key(void)
{
  EC_KEY *key = EC_KEY_new_by_curve_name(prime256v1);
  return key && EC_KEY_generate_key(key) ? key : NULL;
}

static EVP_PKEY *new_evp_key(void)
{
  return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

static int direct(void)
{
  unsigned char signature[largest_signature];
  unsigned size = sizeof signature;
  EC_KEY *key = new_key();
  int done = key && ECDSA_sign(0, digest, sizeof digest, signature, &size, authority);
  EC_KEY_free(key);
  return done;
}

static int by_evp(void)
{
  unsigned char signature[largest_signature];
  size_t size = sizeof signature;
  EVP_PKEY *key = new_evp_key();
  EVP_PKEY_CTX *context = key ? EVP_PKEY_CTX_new(evp_authority, NULL) : NULL;
  int done = context && EVP_PKEY_sign_init(context) == 1 &&
             EVP_PKEY_sign(context, signature, &size, digest, sizeof digest) == 1;
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(key);
  return done;
}

static double now(clockid_t clock)
{
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char **arguments)
{
  long keys = count == 3 ? strtol(arguments[2], NULL, 10) : 0;
  int (*work)(void) = keys > 0 && !strcmp(arguments[1], "evp") ? by_evp : direct;
  if (keys <= 0) {
    fprintf(stderr, "openssl-ecdsa: wrong usage, expected direct or evp and the number of keys\n");
    return 2;
  }
  authority = new_key();
  evp_authority = new_evp_key();
  if (!authority || !evp_authority || ECDSA_size(authority) > largest_signature) return 1;
  // The first call loads the provider and the curve's table.
  if (!work()) return 1;
  double wall = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
  for (long i = 0; i < keys; i++)
    if (!work()) return 1;
  wall = now(CLOCK_MONOTONIC) - wall;
  processor = now(CLOCK_PROCESS_CPUTIME_ID) - processor;
  printf("{\"seconds\":%.9f,\"cpu\":%.9f}\n", wall, processor);
  return 0;
}
