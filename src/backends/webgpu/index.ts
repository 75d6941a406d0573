export type { Bounds, ProductWeight, WeightOptions } from '../product.ts';
export { createProducts, type Products, type SpmmOptions, type UploadOptions } from './products.ts';
