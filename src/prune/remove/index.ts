export { removeChannels, type Removed, type RemoveOptions } from './remove.ts';
export type { KeptChannels, RemovalReport, RemovedChannels } from './report.ts';
