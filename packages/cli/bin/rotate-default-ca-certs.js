#!/usr/bin/env node
import { launch } from './launch.js';

launch('rotate-default-ca-certs');
