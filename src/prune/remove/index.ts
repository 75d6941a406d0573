export { pruneChannels, type PruneChannelsOptions } from './channels.ts';
export type { Side } from './coupling.ts';
export { channelGroups, coupledItems, type ChannelChoice, type ChannelGroup, type CoupledItem, type GroupItem } from './groups.ts';
export { removeChannels, type Removed, type RemoveOptions } from './remove.ts';
export type { KeptChannels, RemovalReport, RemovedChannels } from './report.ts';
