# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A keystore for SROS2 in the layout that sros2 makes, made with openssl alone."""

import os
import shutil
import subprocess

import pytest

_GOVERNANCE = '''<?xml version="1.0" encoding="UTF-8"?>
<dds><domain_access_rules><domain_rule>
<domains><id_range><min>0</min><max>230</max></id_range></domains>
<allow_unauthenticated_participants>false</allow_unauthenticated_participants>
<enable_join_access_control>true</enable_join_access_control>
<discovery_protection_kind>ENCRYPT</discovery_protection_kind>
<liveliness_protection_kind>ENCRYPT</liveliness_protection_kind>
<rtps_protection_kind>SIGN</rtps_protection_kind>
<topic_access_rules><topic_rule><topic_expression>*</topic_expression>
<enable_discovery_protection>true</enable_discovery_protection>
<enable_liveliness_protection>true</enable_liveliness_protection>
<enable_read_access_control>true</enable_read_access_control>
<enable_write_access_control>true</enable_write_access_control>
<metadata_protection_kind>ENCRYPT</metadata_protection_kind>
<data_protection_kind>ENCRYPT</data_protection_kind>
</topic_rule></topic_access_rules>
</domain_rule></domain_access_rules></dds>
'''
_PERMISSIONS = '''<?xml version="1.0" encoding="UTF-8"?>
<dds><permissions><grant name="{enclave}">
<subject_name>CN={enclave}</subject_name>
<validity><not_before>2020-01-01T00:00:00</not_before>
<not_after>2040-01-01T00:00:00</not_after></validity>
<allow_rule><domains><id_range><min>0</min><max>230</max></id_range></domains>
<publish><topics><topic>*</topic></topics></publish>
<subscribe><topics><topic>*</topic></topics></subscribe></allow_rule>
<default>DENY</default></grant></permissions></dds>
'''


def make_keystore(folder, enclave):
    """
    Write the six files of an enclave, each signed by an authority of its own making.

    :param folder: empty
    :param enclave: such as ``/segformer``
    :return: the variables of the environment that enforce it
    """
    if shutil.which('openssl') is None:
        pytest.skip('openssl is not installed')
    root = os.path.join(str(folder), 'keystore')
    place = os.path.join(root, 'enclaves', enclave.strip('/'))
    os.makedirs(place)

    def openssl(*arguments):
        subprocess.run(('openssl',) + arguments, cwd=place, check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    authority = os.path.join(root, 'ca.key.pem')
    elliptic = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes')
    openssl('req', '-x509', '-days', '3650', '-subj', '/CN=authority', '-keyout', authority,
            '-out', 'identity_ca.cert.pem', *elliptic)
    shutil.copy(os.path.join(place, 'identity_ca.cert.pem'),
                os.path.join(place, 'permissions_ca.cert.pem'))
    openssl('req', '-subj', '/CN=\\' + enclave, '-keyout', 'key.pem', '-out', 'request.pem',
            *elliptic)
    openssl('x509', '-req', '-days', '3650', '-in', 'request.pem', '-CA', 'identity_ca.cert.pem',
            '-CAkey', authority, '-CAcreateserial', '-out', 'cert.pem')
    for name, text in (('governance', _GOVERNANCE), ('permissions', _PERMISSIONS)):
        with open(os.path.join(place, name + '.xml'), 'w', encoding='ascii') as stream:
            stream.write(text.format(enclave=enclave))
        openssl('smime', '-sign', '-text', '-in', name + '.xml', '-out', name + '.p7s',
                '-signer', 'permissions_ca.cert.pem', '-inkey', authority)
    return {'ROS_SECURITY_KEYSTORE': root, 'ROS_SECURITY_ENABLE': 'true',
            'ROS_SECURITY_STRATEGY': 'Enforce'}
