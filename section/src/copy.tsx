// A button that copies a text, such as a command or a policy line.

import React, { useState } from 'react';

import { Host } from './host';
import { Button } from './parts';

interface CopyProps {
  label: string;
  text: string;
  host: Host;
}

/** A button that copies a text, and says so. */
export function Copy({ label, text, host }: CopyProps): JSX.Element {
  const [copied, setCopied] = useState(false);
  return (
    <Button
      label={copied ? host.trans.__('Copied') : label}
      onClick={() => {
        host.copy(text);
        setCopied(true);
      }}
    />
  );
}
