<?php echo 'x';
