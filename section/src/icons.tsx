// The three icons of the panel's header, in the colours of JupyterLab's icons.

import React from 'react';

const PATHS = {
  refresh:
    'M17.65 6.35A7.96 7.96 0 0 0 12 4a8 8 0 1 0 7.73 10h-2.08A6 6 0 1 1 12 6c1.66 0 3.14.69 4.22 1.78L13 11h7V4z',
  upload: 'M9 16h6v-6h4l-7-7-7 7h4zm-4 2h14v2H5z',
  add: 'M19 13h-6v6h-2v-6H5v-2h6V5h2v6h6z'
};

export function Icon({ name }: { name: keyof typeof PATHS }): JSX.Element {
  return (
    <svg width="16" height="16" viewBox="0 0 24 24" aria-hidden="true">
      <path className="jp-icon3" fill="#616161" d={PATHS[name]} />
    </svg>
  );
}
