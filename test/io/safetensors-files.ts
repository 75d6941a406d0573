// Files that the reference implementation wrote, safetensors 0.8.0 for Python, so that the reader is not only tested against our writer.

const bytes = (...lines: string[]): Uint8Array => Uint8Array.from(atob(lines.join('')), (letter) => letter.charCodeAt(0));

/** w float32 0 … 5 [2, 3], h float16 [1.5, -2], b bool [True, False], i int64 7 [], metadata { format: 'np' }. */
export const mixed = bytes(
  'AAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJucCJ9LCJpIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMiOlswLDhdfSwidyI6',
  'eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwzXSwiZGF0YV9vZmZzZXRzIjpbOCwzMl19LCJoIjp7ImR0eXBlIjoiRjE2Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRz',
  'IjpbMzIsMzZdfSwiYiI6eyJkdHlwZSI6IkJPT0wiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlszNiwzOF19fSAgICAgBwAAAAAAAAAAAAAAAACAPwAAAEAAAEBA',
  'AACAQAAAoEAAPgDAAQA=',
);

/** fc.weight_orig [[1, 2], [3, 4]], fc.weight_mask [[1, 0], [0, 1]], fc.bias [0, 0], as torch.nn.utils.prune names them. */
export const torch = bytes(
  'yAAAAAAAAAB7ImZjLmJpYXMiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlswLDhdfSwiZmMud2VpZ2h0X21hc2siOnsiZHR5cGUiOiJG',
  'MzIiLCJzaGFwZSI6WzIsMl0sImRhdGFfb2Zmc2V0cyI6WzgsMjRdfSwiZmMud2VpZ2h0X29yaWciOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzIsMl0sImRhdGFfb2Zm',
  'c2V0cyI6WzI0LDQwXX19IAAAAAAAAAAAAACAPwAAAAAAAAAAAACAPwAAgD8AAABAAABAQAAAgEA=',
);
