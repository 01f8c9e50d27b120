#!/usr/bin/env node
import { launch } from './launch.js';

launch('generate-custom-ca-certs');
