/* tslint:disable */
/* eslint-disable */

/**
 * A certificate to be made, filled field by field: `CertificateSpec`.
 */
export class Blank {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Sets the alternative names.
     */
    altNames(dns: string[], ip: string[]): void;
    /**
     * Makes it a CA.
     */
    ca(path_length?: number | null): void;
    /**
     * Signs it, as K3s signs leaves, for the key of a request (DER), whose signature is verified again. Returns the
     * `Certificate` as JSON.
     */
    issueForRequest(request: Uint8Array | number[], issuer_key: Key, issuer: Uint8Array | number[]): string;
    /**
     * Signs it; without `issuer` (DER) it is self-signed. Returns the `Certificate` as JSON.
     */
    issue(subject: Key, issuer_key: Key, issuer?: Uint8Array | number[] | null): string;
    /**
     * Sets whether the two key identifiers are written.
     */
    keyIds(subject: boolean, authority: boolean): void;
    /**
     * A certificate without names and extensions.
     */
    constructor(serial: Uint8Array | number[], not_before: number, not_after: number);
    /**
     * Adds an attribute, `CN` or `O`.
     */
    subject(attribute: string, value: string): void;
    /**
     * Sets key usage and extended key usage.
     */
    usages(key_usage: string[], extended: string[]): void;
}

/**
 * A private key in WebAssembly memory; `free` wipes it.
 */
export class Key {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
    /**
     * `KeyFacts` as JSON.
     */
    facts(): string;
    /**
     * PEM in `pkcs1`, `sec1` or `pkcs8`, the usual form of the algorithm when none is named.
     */
    pem(form?: string | null): Uint8Array;
}

/**
 * Profiles, the engine's table, and the memory of a batch; `free` wipes the CAs' keys.
 */
export class LeafIssuer {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Adds a profile and returns its index. `ca` is DER, `ca_key` PEM.
     */
    addProfile(ca: Uint8Array | number[], ca_key: Uint8Array | number[], key_usage: string[], extended_key_usage: string[], key_type: string): number;
    /**
     * Issues a batch into `memory`, or into new memory where that is too small, and returns the part that it filled. Layouts:
     * the module `leaf` of the crate `pki`.
     */
    issue(profile: number, rows: Uint8Array | number[], memory?: Uint8Array | null): Uint8Array;
    /**
     * The lanes in use, as the constructor names them.
     */
    lanes(): string;
    /**
     * `lanes` is `auto`, `fma`, `simd` or `scalar`; `many` asks for the table that pays from some thousand rows on.
     */
    constructor(lanes: string, many: boolean, check_all: boolean);
    /**
     * A new key for each SHA-256 digest and the digest's signature by the profile's CA, to be measured: 138 octets each,
     * see `LeafIssuer` of the crate `pki`.
     */
    signWithNewKeys(profile: number, digests: Uint8Array | number[]): Uint8Array;
}

/**
 * The certificates of a chain search.
 */
export class Pool {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * `ChainResult` as JSON, with indices for certificates: 0 the leaf, then the intermediates, then the roots.
     */
    chains(leaf: Uint8Array | number[], at: number, usages: string[]): string;
    /**
     * Adds an intermediate's DER.
     */
    intermediate(der: Uint8Array | number[]): void;
    /**
     * An empty pool.
     */
    constructor();
    /**
     * Adds a root's DER.
     */
    root(der: Uint8Array | number[]): void;
}

/**
 * A search for both primes of a key: its final tests take two at once, which saves a tenth of two searches for one.
 */
export class RsaPairSearch {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * As `RsaPrimeSearch`.
     */
    constructor(key_bits: number, lanes: string);
    /**
     * One bounded step; big-endian bytes of one prime and then the other once both are found, and the next step begins
     * another search.
     */
    step(): Uint8Array | undefined;
    /**
     * Candidates tested so far.
     */
    tests(): number;
}

/**
 * A search for primes of one size.
 */
export class RsaPrimeSearch {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * For keys of `key_bits` bits. `lanes`: `auto`, `fma`, `simd` or `scalar`.
     */
    constructor(key_bits: number, lanes: string);
    /**
     * One bounded step; big-endian bytes once a prime is found, and the next step begins another search. Called in a
     * loop: V8 replaces a function by its faster tier only between two calls.
     */
    step(): Uint8Array | undefined;
    /**
     * Candidates tested so far.
     */
    tests(): number;
}

/**
 * PEM of a certificate's DER.
 */
export function certificatePem(der: Uint8Array | number[]): string;

/**
 * Checks a key type without making a key.
 */
export function checkKeyType(key_type: string): void;

/**
 * Makes a key, on this thread.
 */
export function generateKey(key_type: string): Key;

/**
 * `PemBlock[]` as JSON.
 */
export function inspect(file: Uint8Array | number[]): string;

/**
 * `CertificateRequest` as JSON, from DER. Its signature was verified.
 */
export function inspectRequest(der: Uint8Array | number[]): string;

/**
 * Opens the one private key in PEM bytes.
 */
export function openKey(pem: Uint8Array | number[], passphrase?: Uint8Array | number[] | null): Key;

/**
 * The key of two primes; `undefined` when they do not make one together.
 */
export function rsaKeyFromPrimes(p: Uint8Array | number[], q: Uint8Array | number[]): Key | undefined;

/**
 * Whether `issuer`'s key made the signature of `certificate`; both in DER.
 */
export function signatureHolds(certificate: Uint8Array | number[], issuer: Uint8Array | number[]): boolean;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_blank_free: (a: number, b: number) => void;
    readonly __wbg_key_free: (a: number, b: number) => void;
    readonly __wbg_leafissuer_free: (a: number, b: number) => void;
    readonly __wbg_pool_free: (a: number, b: number) => void;
    readonly __wbg_rsapairsearch_free: (a: number, b: number) => void;
    readonly __wbg_rsaprimesearch_free: (a: number, b: number) => void;
    readonly blank_altNames: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly blank_ca: (a: number, b: number) => void;
    readonly blank_issue: (a: number, b: number, c: number, d: number, e: number) => [number, number, number, number];
    readonly blank_issueForRequest: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number, number];
    readonly blank_keyIds: (a: number, b: number, c: number) => void;
    readonly blank_new: (a: number, b: number, c: number, d: number) => number;
    readonly blank_subject: (a: number, b: number, c: number, d: number, e: number) => [number, number];
    readonly blank_usages: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly certificatePem: (a: number, b: number) => [number, number];
    readonly checkKeyType: (a: number, b: number) => [number, number];
    readonly generateKey: (a: number, b: number) => [number, number, number];
    readonly inspect: (a: number, b: number) => [number, number];
    readonly inspectRequest: (a: number, b: number) => [number, number, number, number];
    readonly key_facts: (a: number) => [number, number];
    readonly key_pem: (a: number, b: number, c: number) => [number, number, number];
    readonly leafissuer_addProfile: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number, i: number, j: number, k: number) => [number, number, number];
    readonly leafissuer_issue: (a: number, b: number, c: number, d: number, e: number) => [number, number, number];
    readonly leafissuer_lanes: (a: number) => [number, number];
    readonly leafissuer_new: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly leafissuer_signWithNewKeys: (a: number, b: number, c: number, d: number) => [number, number, number, number];
    readonly openKey: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly pool_chains: (a: number, b: number, c: number, d: number, e: number, f: number) => [number, number, number, number];
    readonly pool_intermediate: (a: number, b: number, c: number) => [number, number];
    readonly pool_new: () => number;
    readonly pool_root: (a: number, b: number, c: number) => [number, number];
    readonly rsaKeyFromPrimes: (a: number, b: number, c: number, d: number) => [number, number, number];
    readonly rsapairsearch_new: (a: number, b: number, c: number) => [number, number, number];
    readonly rsapairsearch_step: (a: number) => [number, number, number];
    readonly rsapairsearch_tests: (a: number) => number;
    readonly rsaprimesearch_new: (a: number, b: number, c: number) => [number, number, number];
    readonly rsaprimesearch_step: (a: number) => [number, number, number];
    readonly rsaprimesearch_tests: (a: number) => number;
    readonly signatureHolds: (a: number, b: number, c: number, d: number) => number;
    readonly ring_core_0_17_14__bn_mul_mont: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_realloc: (a: number, b: number, c: number, d: number) => number;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __wbindgen_exn_store: (a: number) => void;
    readonly __externref_table_alloc: () => number;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __externref_drop_slice: (a: number, b: number) => void;
    readonly __externref_table_dealloc: (a: number) => void;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
