/** Icons. Each icon has its meaning beside it, as text or as a label. */

import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const SearchIcon = () => (
  <Icon>
    <circle cx="9" cy="9" r="5.5" />
    <path d="m13.2 13.2 4 4" />
  </Icon>
);
export const SunIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="3.6" />
    <path d="M10 1.8v2M10 16.200v2M1.8 10h2M16.2 10h2M4.2 4.200l1.4 1.400M14.4 14.400l1.4 1.400M15.8 4.200l-1.4 1.400M5.6 14.400l-1.4 1.4" />
  </Icon>
);
export const MoonIcon = () => (
  <Icon>
    <path d="M16.8 11.900A7 7 0 1 1 8.1 3.200a5.6 5.6 0 0 0 8.7 8.700Z" />
  </Icon>
);
export const BackIcon = () => (
  <Icon>
    <path d="m12 4-6 6 6 6" />
  </Icon>
);
export const MarketIcon = () => (
  <Icon>
    <path d="M2.5 13.5 7 8l3.5 3.5 6.5-7M12.5 4.500H17V9" />
  </Icon>
);
export const LineIcon = () => (
  <Icon>
    <path d="M2 10h3l2-5 4 10 2.5-5H18" />
  </Icon>
);
export const CutIcon = () => (
  <Icon>
    <circle cx="5" cy="5.5" r="2.2" />
    <circle cx="5" cy="14.5" r="2.2" />
    <path d="m7 6.8 10.5 7.700M7 13.2 17.5 5.5" />
  </Icon>
);
export const SlowIcon = () => (
  <Icon>
    <path d="M3.2 14.500a7.5 7.5 0 1 1 13.6 0M10 11.5 6.5 8" />
  </Icon>
);

/** The product's logo: an eye on a line. */
export const Mark = () => (
  <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="9" />
    <path d="M5 18h6l3.5-8 4.5 13 3-7.500H27" />
  </svg>
);
