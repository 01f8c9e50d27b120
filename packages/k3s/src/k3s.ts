/** K3s's facts as data, and what K3s itself would say of a set of files, as pure functions. */

export * from './bootstrap-data.ts';
export * from './ca-hash.ts';
export * from './default-cas.ts';
export * from './explain.ts';
export * from './first-start.ts';
export * from './layout.ts';
export * from './leaf-table.ts';
export * from './log-messages.ts';
export * from './pem-readers.ts';
export * from './places.ts';
export * from './product.ts';
export * from './renewal.ts';
export * from './renewal-window.ts';
export * from './renewed-leaves.ts';
export * from './rotate-ca.ts';
export * from './rotation-consequences.ts';
export * from './service-key.ts';
export * from './services.ts';
export * from './subject.ts';
export * from './token.ts';
export * from './topology.ts';
