#!/usr/bin/env node
import { launch } from './launch.js';

await launch('rotate-default-ca-certs');
