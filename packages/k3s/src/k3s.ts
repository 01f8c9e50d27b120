/** K3s's facts as data, and K3s's own checks. Imports nothing of ours. */
export * from './ca-hash.ts';
export * from './first-start.ts';
export * from './layout.ts';
export * from './leaf-table.ts';
export * from './product.ts';
export * from './services.ts';
export * from './token.ts';
