/** The newest Node whose V8 is known to have the flags that the core sets: an unknown one would be told on stderr. */
const newest = 26;

/** Sets a flag of V8's for the whole process. Answers whether there is one. */
export function setFlag(flag: string): boolean {
  if (Number.parseInt(process.versions.node, 10) > newest) return false;
  process.getBuiltinModule('node:v8').setFlagsFromString(flag);
  return true;
}
