// A button that copies a text, such as a command or a policy line.

import React, { useState } from 'react';

import { Host } from './host';

interface CopyProps {
  label: string;
  text: string;
  host: Host;
}

/** A button that copies a text, and says so. */
export function Copy({ label, text, host }: CopyProps): JSX.Element {
  const [copied, setCopied] = useState(false);
  return (
    <button
      type="button"
      className="jp-mod-styled"
      onClick={() => {
        host.copy(text);
        setCopied(true);
      }}
    >
      {copied ? host.trans.__('Copied') : label}
    </button>
  );
}
