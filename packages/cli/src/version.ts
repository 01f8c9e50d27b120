import metadata from '../package.json' with { type: 'json' };

/** The program's version, one place: its package. */
export const version: string = metadata.version;
